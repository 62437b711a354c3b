"""`manage.py expire_sessions`: ends all that are idle, however many there are."""

import json

from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession, EndReason
from tests.unit.maintenance.worlds import session_of


def test_idle_sessions_end_and_others_go_on(run, owner):
    idle, used = session_of(owner, idle=4000), session_of(owner)
    assert json.loads(run("expire_sessions", "--json").out) == {"expired": 1}
    idle.refresh_from_db(), used.refresh_from_db()
    assert (idle.end_reason, used.ended_at) == (EndReason.IDLE, None)
    assert run("expire_sessions").out == "Expired 0 sessions.\n"


def test_until_none_is_left(run, owner, monkeypatch):
    monkeypatch.setattr(lifecycle, "EXPIRY_BATCH", 2)
    for _ in range(5):
        session_of(owner, idle=4000)
    assert run("expire_sessions").out == "Expired 5 sessions.\n"
    assert not CameraSession.objects.filter(ended_at=None).exists()
