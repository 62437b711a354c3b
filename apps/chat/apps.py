"""The chat app: hears of ended sessions and of users' changes."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Signaling, questions and answers."""

    name = "apps.chat"
    label = "chat"

    def ready(self) -> None:
        """Connect the receivers."""
        from django.db.models.signals import post_save

        from apps.accounts.models import User
        from apps.camera_sessions.signals import session_ended
        from apps.chat.endings import on_session_ended
        from apps.chat.known_preferences import on_user_saved

        session_ended.connect(on_session_ended)
        post_save.connect(on_user_saved, sender=User)
