"""What counts as an upload."""

import pytest

from qwencam_site.uploads import is_upload


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
