"""The conditions on camera sessions: each takes whom it should, at its very bound, and no more."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.camera_sessions.models import CameraSession, EndReason

NOW = timezone.now()
IDLE = 60.0
AT_THE_BOUND = NOW - timedelta(seconds=IDLE)
BEFORE_THE_BOUND = AT_THE_BOUND + timedelta(microseconds=1)


@pytest.fixture
def sessions(owner: User, stranger: User) -> dict[str, CameraSession]:
    """The owner's but for `strangers` and `anonymous`; the owner's `login` opened the last."""
    create = CameraSession.objects.create
    ended = {"ended_at": NOW, "end_reason": EndReason.USER, "user": owner}
    return {
        "live": create(user=owner, last_active_at=BEFORE_THE_BOUND),
        "idle": create(user=owner, last_active_at=AT_THE_BOUND),
        "ended": create(last_active_at=NOW, **ended),
        "strangers": create(user=stranger, last_active_at=NOW, login_id="other"),
        "anonymous": create(user=None, last_active_at=NOW),
        "by login": create(user=owner, last_active_at=NOW, login_id="login"),
    }


def names(sessions: dict[str, CameraSession], chosen) -> set[str]:
    keys = {session.pk: name for name, session in sessions.items()}
    return {keys[pk] for pk in chosen.values_list("pk", flat=True)}


def test_what_has_not_ended_is_live_or_idle(sessions):
    objects = CameraSession.objects
    live = names(sessions, objects.live(now=NOW, idle_seconds=IDLE))
    idle = names(sessions, objects.idle(now=NOW, idle_seconds=IDLE))
    assert live == {"live", "strangers", "anonymous", "by login"}
    assert idle == {"idle"}
    assert names(sessions, objects.unended()) == live | idle


def test_of_one_user(sessions, owner):
    of_owner = names(sessions, CameraSession.objects.of(owner))
    assert of_owner == {"live", "idle", "ended", "by login"}
    assert names(sessions, CameraSession.objects.of(owner).unended()) == of_owner - {"ended"}


def test_a_disabled_user_has_none_and_visitors_keep_theirs(sessions, stranger):
    stranger.is_active = False
    stranger.save()
    assert "strangers" not in names(sessions, CameraSession.objects.of_active_users())
    assert names(sessions, CameraSession.objects.of_active_users()) == set(sessions) - {"strangers"}


def test_by_the_login_that_opened_them(sessions):
    objects = CameraSession.objects
    assert names(sessions, objects.opened_by_login("login")) == {"by login"}
    assert names(sessions, objects.opened_by_login("")) == set()
    assert names(sessions, objects.opened_by_other_logins(than="login")) == {"strangers"}
    assert names(sessions, objects.opened_by_other_logins(than="")) == {"strangers", "by login"}


def test_only_what_ended_before_is_purgeable(sessions):
    later = NOW + timedelta(microseconds=1)
    assert names(sessions, CameraSession.objects.purgeable(before=NOW)) == set()
    assert names(sessions, CameraSession.objects.purgeable(before=later)) == {"ended"}
