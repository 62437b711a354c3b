"""Changing settings while the platform runs.

Guards against: a change that only one process knows, a stored value that a later version no
longer takes bringing a process down, a database that is away losing the values in force.
"""

import pytest
from django.db import DatabaseError

from apps.accounts.models import User
from apps.live_settings import current
from apps.live_settings.changes import change_setting, reset_setting
from apps.live_settings.definitions import InvalidSetting
from apps.live_settings.models import Override
from apps.live_settings.signals import setting_changed


@pytest.fixture
def admin(db) -> User:
    return User.objects.create_user("admin")


@pytest.fixture
def heard():
    events = []

    def hear(*, name, old, new, actor, **_):
        events.append((name, old, new, actor))

    setting_changed.connect(hear)
    yield events
    setting_changed.disconnect(hear)


def test_without_changes_the_environment_is_in_force(db, settings):
    settings.MAX_SESSIONS = 7
    assert current.refresh().max_sessions == 7


def test_a_change_is_in_force_stored_and_told(admin, heard, django_capture_on_commit_callbacks):
    old = current.refresh().max_sessions
    with django_capture_on_commit_callbacks(execute=True):
        assert change_setting("max_sessions", 3, actor=admin) == 3
    assert current.current().max_sessions == 3
    assert Override.objects.get(name="max_sessions").changed_by == admin
    assert heard == [("max_sessions", old, 3, admin)]


def test_another_process_reads_it_within_a_second(admin):
    change_setting("max_sessions", 3, actor=admin)
    current.forget()
    assert current.refresh().max_sessions == 3


def test_the_same_value_again_is_no_change(admin, heard, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        change_setting("notice", "", actor=admin)
    assert heard == []
    assert not Override.objects.exists()


def test_a_reset_brings_the_environments_value_back(admin, settings):
    change_setting("max_sessions", 3, actor=admin)
    assert reset_setting("max_sessions", actor=admin) == settings.MAX_SESSIONS
    assert current.current().max_sessions == settings.MAX_SESSIONS
    assert not Override.objects.exists()


def test_a_bad_value_changes_nothing(admin):
    with pytest.raises(InvalidSetting):
        change_setting("max_sessions", -1, actor=admin)
    assert not Override.objects.exists()


def test_what_this_version_does_not_take_is_passed_over(db, settings, caplog):
    Override.objects.create(name="max_sessions", value="many")
    Override.objects.create(name="gone", value=1)
    assert current.refresh().max_sessions == settings.MAX_SESSIONS
    assert "passed over" in caplog.text


def test_a_database_that_is_away_leaves_the_last_values_in_force(admin, monkeypatch):
    change_setting("max_sessions", 3, actor=admin)

    def fail(*_, **__):
        raise DatabaseError

    monkeypatch.setattr(Override.objects, "values_list", fail)
    assert current.refresh().max_sessions == 3
