"""The chat app: hears of ended sessions."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Signaling, questions and answers."""

    name = "apps.chat"
    label = "chat"

    def ready(self) -> None:
        """Connect the receiver of ended sessions; show the model servers to Prometheus."""
        from apps.camera_sessions.signals import session_ended
        from apps.chat import server_metrics
        from apps.chat.endings import on_session_ended

        session_ended.connect(on_session_ended)
        server_metrics.register()
