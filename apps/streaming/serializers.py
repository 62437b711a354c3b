"""What the offer endpoint takes and gives."""

from typing import Any

from rest_framework import serializers

from apps.camera_sessions.serializers import StrictText


class Offer(serializers.Serializer[Any]):
    """A WebRTC session description of type "offer"."""

    sdp = StrictText()
    type = serializers.ChoiceField(choices=["offer"])


class Answer(serializers.Serializer[Any]):
    """A WebRTC session description of type "answer"."""

    sdp = serializers.CharField()
    type = serializers.ChoiceField(choices=["answer"])
