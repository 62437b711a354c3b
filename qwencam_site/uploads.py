"""Refuses every upload: video comes over WebRTC only."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin

from apps.contract import ErrorCode, Refusal

BODIES_WE_READ = frozenset({"", "application/json", "application/x-www-form-urlencoded"})


def is_upload(*, path: str, content_type: str, has_body: bool) -> bool:
    """Return whether a request tries to hand in a file.

    Upload routes are refused whatever the method; elsewhere any body but JSON and plain form
    fields is taken for a file.
    """
    if path == "/upload" or path.startswith(("/upload/", "/api/upload")):
        return True
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in BODIES_WE_READ:
        return False
    return has_body or media_type == "multipart/form-data"


class UploadsForbidden(MiddlewareMixin):
    """Answer uploads with 403 ``uploads_forbidden`` before anything else looks at them."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Return the refusal, or ``None`` to go on."""
        # A chunked body has no length: what is neither JSON nor a form is refused all the same.
        length = request.META.get("CONTENT_LENGTH") or "0"
        chunked = "HTTP_TRANSFER_ENCODING" in request.META
        if not is_upload(
            path=request.path,
            content_type=request.META.get("CONTENT_TYPE", ""),
            has_body=chunked or length != "0",
        ):
            return None
        detail = "QwenCam takes no uploads: video comes from the camera over WebRTC only."
        refusal = Refusal(ErrorCode.UPLOADS_FORBIDDEN, detail)
        return JsonResponse(refusal.as_dict(), status=refusal.code.status)
