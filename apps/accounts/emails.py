"""E-mails to users, sent after the reply: its time would disclose whether there was one to send."""

import logging
from collections.abc import Mapping, Sequence
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.http import HttpResponseRedirect
from django.template.loader import render_to_string

from apps.accounts.metrics import MAILS_SENT

logger = logging.getLogger(__name__)


def compose_email(name: str, *, to: str, context: Mapping[str, object]) -> EmailMessage:
    """The e-mail of the template `accounts/mail/<name>.txt`, whose first line is the subject."""
    text = render_to_string(f"accounts/mail/{name}.txt", dict(context))
    subject, _, body = text.strip().partition("\n")
    return EmailMessage(subject=subject.strip(), body=body.strip() + "\n", to=[to])


class RedirectThenSend(HttpResponseRedirect):
    """A redirect; `emails` are sent once the server has passed it to the network."""

    def __init__(self, redirect_to: str, *, emails: Sequence[EmailMessage]) -> None:
        super().__init__(redirect_to)
        self._emails = list(emails)

    def close(self) -> None:
        super().close()
        # Popped: closing twice must not send them twice.
        while self._emails:
            _send(self._emails.pop())


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except (OSError, SMTPException) as error:
        MAILS_SENT.labels("failed").inc()
        logger.error("A mail could not be sent: %s", type(error).__name__)
        return
    MAILS_SENT.labels("sent").inc()
