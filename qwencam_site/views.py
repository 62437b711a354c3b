"""Routes that belong to the whole platform rather than to one app."""

from pathlib import Path

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from apps.accounts.browser_logins import login_id
from apps.live_settings.current import current


@require_safe
@ensure_csrf_cookie
def home(request: HttpRequest) -> HttpResponse:
    """The camera page for people, a status line for programs."""
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse({"status": "ok", "service": "qwencam", "version": settings.VERSION})
    if settings.REQUIRE_AUTH and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    context = {
        "demo_scene": settings.DEMO_SCENE,
        "version": settings.VERSION,
        "model_name": settings.MODEL_NAME,
        "require_auth": settings.REQUIRE_AUTH,
        "notice": current().notice,
        "login_id": login_id(request),
    }
    return render(request, "camera/page.html", context)


@require_safe
def local_authority(_: HttpRequest) -> HttpResponse:
    """The certificate of this machine's own authority, for devices to trust; 404 without one."""
    try:
        certificate = Path(settings.LOCAL_AUTHORITY_CERT).read_bytes()
    except OSError:
        raise Http404 from None
    # With this type phones offer to install it.
    return HttpResponse(certificate, content_type="application/x-x509-ca-cert")


@require_safe
@csp_update({"img-src": ["data:"]})  # Swagger UI's icons
def api_docs(request: HttpRequest) -> HttpResponse:
    """The API's schema as a page to browse and try out."""
    if settings.REQUIRE_AUTH and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    return render(request, "api/docs.html")
