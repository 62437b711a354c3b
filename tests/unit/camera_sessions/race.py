"""Opens eight sessions at once for a user who may have three; prints the sorted outcomes.

Run by test_lifecycle.py with DATABASE_URL set to an empty database.
"""

import os
import sys
import threading
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
sys.path.insert(0, str(Path(__file__).parents[3]))
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.camera_sessions.lifecycle import SessionLimits, open_session  # noqa: E402
from apps.contract import Refusal  # noqa: E402

LIMITS = SessionLimits(
    max_sessions=100, max_sessions_per_user=3, max_sessions_per_address=9, idle_seconds=3600
)
OPENERS = 8


def open_one(user: User, *, start: threading.Barrier, outcomes: list[str]) -> None:
    start.wait()
    try:
        open_session(user, address=None, limits=LIMITS)
        outcomes.append("opened")
    except Refusal as refusal:
        outcomes.append(refusal.code)
    finally:
        connections.close_all()


def main() -> None:
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("owner")
    start = threading.Barrier(OPENERS)
    outcomes: list[str] = []
    threads = [
        threading.Thread(
            target=open_one, args=(user,), kwargs={"start": start, "outcomes": outcomes}
        )
        for _ in range(OPENERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(*sorted(outcomes))  # noqa: T201


main()
