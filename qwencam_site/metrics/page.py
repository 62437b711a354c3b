"""``GET /metrics`` of a web process: what it counted itself, then the platform as it is now."""

import asyncio

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from apps.contract import ErrorCode, Refusal
from qwencam_site.metrics import access
from qwencam_site.metrics.platform import platform_page


@require_safe
async def view(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics, for the addresses in ``METRICS_ALLOW`` only."""
    if not access.is_allowed(request.META.get("REMOTE_ADDR", ""), allow=settings.METRICS_ALLOW):
        refusal = Refusal(ErrorCode.FORBIDDEN, access.DETAIL)
        return JsonResponse(refusal.as_dict(), status=refusal.code.status)
    # In a thread: hundreds of series take milliseconds, which the media on this loop needs.
    own, platform = await asyncio.gather(asyncio.to_thread(generate_latest), platform_page())
    return HttpResponse(own + platform, content_type=CONTENT_TYPE_PLAIN_0_0_4)
