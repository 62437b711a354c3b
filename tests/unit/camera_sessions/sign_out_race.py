"""Asks for sessions while their login ends, over and over; prints how many were opened and left.

Run by test_sign_out.py with DATABASE_URL set to an empty database.
"""

import os
import sys
import threading
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
sys.path.insert(0, str(Path(__file__).parents[3]))
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.camera_sessions.models import CameraSession  # noqa: E402

ROUNDS = 12
OPENERS = 4
settings.MAX_SESSIONS_PER_USER = 100
settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]["token"] = "10000/min"


def ask(browser: Client, path: str, *, start: threading.Barrier, statuses: list[int]) -> None:
    start.wait()
    try:
        response = browser.post(path, "{}", content_type="application/json")
        statuses.append(response.status_code)
    finally:
        connections.close_all()


def sign_out_while_opening(user: User) -> list[int]:
    """Return what the requests for sessions and the one to sign out were answered with."""
    browsers = [Client() for _ in range(OPENERS + 1)]
    browsers[0].force_login(user)
    for browser in browsers[1:]:
        browser.cookies = browsers[0].cookies.copy()
    paths = ["/logout", *["/api/token"] * OPENERS]
    start = threading.Barrier(len(paths))
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=ask, args=(browser, path), kwargs={"start": start, "statuses": statuses}
        )
        for browser, path in zip(browsers, paths, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def main() -> None:
    setup_test_environment()
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("owner")
    statuses = [status for _ in range(ROUNDS) for status in sign_out_while_opening(user)]
    assert statuses.count(302) == ROUNDS, statuses
    assert not set(statuses) - {201, 302, 400, 401}, statuses
    left = CameraSession.objects.filter(ended_at=None).count()
    print(statuses.count(201), left)  # noqa: T201


main()
