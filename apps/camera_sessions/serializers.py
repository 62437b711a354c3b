"""What the session API takes and gives."""

from typing import Any

from rest_framework import serializers

from apps.camera_sessions.tokens import MAX_TOKEN_CHARS


class StrictText(serializers.CharField):
    """A text, taken as it is: no number or truth value passes for one, no blank is cut off."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class TokenRequest(serializers.Serializer[Any]):
    """Either both credentials or neither."""

    username = StrictText(max_length=150, required=False)
    password = StrictText(max_length=1024, required=False, write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) == 1:
            raise serializers.ValidationError("username and password go together.")
        return attrs


class IssuedTokens(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Life of the access token in seconds.")


class OpenedSession(IssuedTokens):
    session_id = serializers.UUIDField()
    ws_url = serializers.CharField()
    ice_servers = serializers.ListField(
        child=serializers.DictField(), help_text="RTCIceServer objects of WebRTC."
    )


class RefreshRequest(serializers.Serializer[Any]):
    refresh = StrictText(max_length=MAX_TOKEN_CHARS)


class SessionCounters(serializers.Serializer[Any]):
    questions = serializers.IntegerField()
    answers = serializers.IntegerField()
    errors = serializers.IntegerField()  # type: ignore[assignment]  # a field, not the property
    frames = serializers.IntegerField()


class SessionReport(serializers.Serializer[Any]):
    session_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["live"])
    started_at = serializers.DateTimeField()
    last_active_at = serializers.DateTimeField()
    expires_in = serializers.IntegerField(help_text="Seconds until it ends for idleness.")
    user = serializers.CharField(allow_null=True)
    limits = serializers.DictField(child=serializers.FloatField())
    counters = SessionCounters()


class ApiError(serializers.Serializer[Any]):
    error = serializers.CharField(help_text="A code for programs.")
    detail = serializers.CharField(help_text="A sentence for people.")
