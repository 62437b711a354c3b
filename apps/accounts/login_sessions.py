"""Django's sessions in the database (SESSION_ENGINE), with a signal when a login ends."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import transaction

from apps.accounts.browser_logins import LOGIN_ID, lock_login
from apps.accounts.signals import login_ended


class SessionStore(DatabaseSessions):
    """Sends `login_ended` in `flush`, which Django calls however a login ends.

    Be it by logging out on the site or in the admin, by another user's login in the same browser,
    or because the password was changed elsewhere. The class's name is in the salt that the stored
    data is signed with: renaming it would sign everybody out.
    """

    def flush(self) -> None:
        """Ends the login and all that was opened by it, in one transaction: both or neither."""
        ended = self.get(LOGIN_ID)
        if not ended:
            super().flush()
            return
        with transaction.atomic():
            # Locked first: a session that is being opened by this login is then either there, to be
            # ended by the signal, or refused, for the row is gone.
            lock_login(self.session_key)
            login_ended.send(sender=SessionStore, login_id=ended)
            super().flush()
