"""HTTP routes of the media path."""

from django.urls import path

from apps.streaming.views import OfferView

urlpatterns = [path("api/webrtc/offer", OfferView.as_view(), name="webrtc-offer")]
