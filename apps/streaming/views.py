"""The HTTP door to the media host: an offer in, an answer out."""

from typing import Any, cast

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.camera_sessions.authentication import CameraSessionAuthentication, HasCameraSession
from apps.camera_sessions.parsers import SmallJSONParser
from apps.camera_sessions.serializers import ApiError
from apps.streaming.host import MediaHost
from apps.streaming.serializers import Answer, Offer


class OfferParser(SmallJSONParser):
    """Room for an offer of any length that is worth a refusal of its own (`offer_too_large`)."""

    max_bytes = 262_144


class OfferView(APIView):
    """Answers the camera of the token's own session."""

    parser_classes = (OfferParser,)
    authentication_classes = (CameraSessionAuthentication,)
    permission_classes = (HasCameraSession,)

    @extend_schema(
        summary="Offer a camera's video",
        description="One video track, VP8 or H.264. Candidates in the offer are ignored: the "
        "camera's own checks show where it is. A newer offer replaces the stream.",
        request=Offer,
        responses={200: Answer, 400: ApiError, 401: ApiError, 413: ApiError, 503: ApiError},
    )
    def post(self, request: Request) -> Response:
        """Return the answer; ICE gathering is complete."""
        offer = Offer(data=request.data)
        offer.is_valid(raise_exception=True)
        session: Any = request.auth
        host: MediaHost = cast(ASGIRequest, request._request).scope["media_host"]
        # Runs on the server's own event loop, where the peer then lives.
        sdp = async_to_sync(host.accept)(str(session.pk), offer.validated_data["sdp"])
        return Response({"sdp": sdp, "type": "answer"})
