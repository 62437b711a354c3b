"""Where logins are kept (SESSION_ENGINE): in the database, and none ends unnoticed."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import transaction

from apps.accounts.browser_logins import LOGIN_ID, lock_login
from apps.accounts.signals import login_ended


class SessionStore(DatabaseSessions):
    """Django flushes a login however it ends: by logging out on the site or in the admin, by
    another user's login over it, or because its password was changed elsewhere.

    The name of the class is part of what signs the stored data: under another name all would be
    signed out.
    """

    def flush(self) -> None:
        """Ends the login with all that was opened by it, or, where that fails, neither."""
        ended = self.get(LOGIN_ID)
        if not ended:
            super().flush()
            return
        with transaction.atomic():
            # First of all, so that whoever is opening something by this login is done, or too late.
            lock_login(self.session_key)
            login_ended.send(sender=SessionStore, login_id=ended)
            super().flush()
