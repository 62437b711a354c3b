"""What operators do from the console, and who may.

Guards against: a viewer who acts, a note that the session's user never gets, a setting out of
its bounds in force, an operator's group changing what only administrators may.
"""

import pytest
from django.test import Client

from apps.camera_sessions import lifecycle
from apps.camera_sessions.models import CameraSession
from apps.live_settings.current import refresh
from tests.unit.camera_sessions.worlds import LIMITS


def post(client, path, body):
    return client.post(f"/console/api/{path}", body, content_type="application/json")


def assert_refused(response, status, code):
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert response.json()["detail"].endswith(".")


def test_an_operator_ends_a_session_with_a_note(session, operator, browse):
    path = f"sessions/{session.pk}/end"
    assert post(browse(operator), path, {"note": " Back\n at noon. "}).status_code == 204
    session.refresh_from_db()
    assert (session.end_reason, session.end_note) == ("operator", "Back at noon.")
    assert_refused(post(browse(operator), path, {}), 404, "not_found")


@pytest.mark.parametrize("note", ["\\ud800", "\\u0000", "\\u202e"])
def test_a_note_nobody_can_read_is_refused(session, operator, browse, note):
    body = f'{{"note": "{note}"}}'
    path = f"/console/api/sessions/{session.pk}/end"
    refused = browse(operator).post(path, body, content_type="application/json")
    assert_refused(refused, 400, "bad_request")


def test_a_user_who_is_not_there_has_no_sessions(operator, browse):
    for number in (999, 10**30):
        refused = post(browse(operator), f"users/{number}/end-sessions", {})
        assert_refused(refused, 404, "not_found")


def test_an_operator_ends_all_sessions_of_one_user_and_of_nobody_else(
    session, owner, operator, browse
):
    lifecycle.open_session(owner, address=None, limits=LIMITS)
    others = lifecycle.open_session(operator, address=None, limits=LIMITS)
    path = f"users/{owner.pk}/end-sessions"
    assert post(browse(operator), path, {"note": ""}).json() == {"ended": 2}
    assert post(browse(operator), path, {}).json() == {"ended": 0}
    assert list(CameraSession.objects.filter(ended_at=None)) == [others]


def test_a_viewer_may_look_and_do_nothing(session, owner, viewer, browse):
    client = browse(viewer)
    assert client.get("/console/").status_code == 200
    for path in (
        f"sessions/{session.pk}/end",
        f"users/{owner.pk}/end-sessions",
        "settings/max_sessions",
        "settings/accept_sessions",
    ):
        assert_refused(post(client, path, {"value": 1}), 403, "forbidden")
    session.refresh_from_db()
    assert session.ended_at is None


def test_an_operator_drains_and_changes_nothing_else(operator, browse):
    client = browse(operator)
    assert post(client, "settings/accept_sessions", {"value": False}).json() == {"value": False}
    assert refresh().accept_sessions is False
    assert_refused(post(client, "settings/max_sessions", {"value": 7}), 403, "forbidden")


def test_an_administrator_changes_settings_and_goes_back(administrator, browse, settings):
    settings.MAX_SESSIONS = 100
    client = browse(administrator)
    assert post(client, "settings/max_sessions", {"value": 7}).json() == {"value": 7}
    assert refresh().max_sessions == 7
    assert client.delete("/console/api/settings/max_sessions").json() == {"value": 100}
    assert refresh().max_sessions == 100


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("max_sessions", {"value": 0}, "invalid_setting"),
        ("max_sessions", {}, "invalid_setting"),
        ("debug", {"value": 1}, "invalid_setting"),
        ("max_sessions", [1], "bad_request"),
    ],
)
def test_a_bad_value_is_refused_with_a_sentence(administrator, browse, name, body, code):
    assert_refused(post(browse(administrator), f"settings/{name}", body), 400, code)


def test_a_body_that_is_no_json_is_refused(administrator, browse):
    client = browse(administrator)
    path = "/console/api/settings/max_sessions"
    refused = client.post(path, "{", content_type="application/json")
    assert_refused(refused, 400, "bad_request")


def test_a_camera_user_is_kept_out(owner, session, browse, client):
    mine = browse(owner)
    assert mine.get("/console/").status_code == 403
    assert_refused(post(mine, f"sessions/{session.pk}/end", {}), 403, "forbidden")
    assert_refused(post(client, f"sessions/{session.pk}/end", {}), 401, "not_authenticated")
    assert client.get("/console/")["Location"] == "/login?next=/console/"


def test_a_member_of_a_group_who_is_no_staff_is_kept_out(viewer, browse):
    viewer.is_staff = False
    viewer.save()
    assert browse(viewer).get("/console/").status_code == 403


def test_another_site_can_not_act(session, operator):
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    path = f"/console/api/sessions/{session.pk}/end"
    assert client.post(path, {}, content_type="application/json").status_code == 403
    session.refresh_from_db()
    assert session.ended_at is None
