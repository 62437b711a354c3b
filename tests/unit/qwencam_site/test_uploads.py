"""What counts as an upload."""

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from qwencam_site.uploads import UploadsForbidden, is_upload


@pytest.mark.parametrize(
    "path", ["/upload", "/upload/", "/upload/x", "/api/upload", "/api/uploads"]
)
def test_upload_routes_are_uploads_even_without_a_body(path: str):
    assert is_upload(path=path, content_type="", has_body=False)


@pytest.mark.parametrize("path", ["/", "/uploads-policy", "/api/token"])
def test_other_routes_are_not(path: str):
    assert not is_upload(path=path, content_type="", has_body=False)


@pytest.mark.parametrize(
    ("content_type", "upload"),
    [
        ("application/json", False),
        ("application/json; charset=utf-8", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", True),
        ("Multipart/Form-Data", True),
        ("image/jpeg", True),
        ("application/octet-stream", True),
        ("text/plain", True),
    ],
)
def test_a_body_that_is_neither_json_nor_form_fields_is(content_type: str, upload: bool):
    assert is_upload(path="/api/token", content_type=content_type, has_body=True) is upload


@pytest.mark.parametrize("content_type", ["image/jpeg", "text/plain"])
@pytest.mark.parametrize("header", [{"CONTENT_LENGTH": "7"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_body_is_refused_with_a_length_or_in_chunks(header: dict[str, str], content_type: str):
    middleware = UploadsForbidden(lambda request: HttpResponse("served"))
    request = RequestFactory().generic("POST", "/api/token", content_type=content_type)
    request.META.pop("CONTENT_LENGTH", None)
    assert middleware(request).content == b"served"
    request.META.update(header, CONTENT_TYPE=content_type)
    refused = middleware(request)
    assert refused.status_code == 403
    assert b"uploads_forbidden" in refused.content
