"""Who may call what: every route of the URL configuration, by every kind of caller.

A new route without an entry here fails, and so does an entry whose route is gone. Each entry
tells the status for an anonymous visitor, a camera user, another camera user, a viewer, an
operator and an administrator. Routes with an object in them are about the first user's.
"""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import NamedTuple

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.models import User
from apps.camera_sessions import lifecycle, tokens
from apps.camera_sessions.models import CameraSession
from tests.unit.camera_sessions.worlds import LIMITS

CALLERS = ("anonymous", "user", "other", "viewer", "operator", "administrator")
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
GROUPS = ("viewer", "operator", "administrator")


class Call(NamedTuple):
    """A request and the status for each of `CALLERS`; `{…}` in its path is filled in.

    `bearer` sends the token of the first user's camera session along, whoever calls.
    """

    method: str
    path: str
    statuses: tuple[int, ...]
    body: str = ""
    bearer: bool = False


def everybody(status: int) -> tuple[int, ...]:
    return (status,) * len(CALLERS)


def logged_in(status: int, *, anonymous: int = 302) -> tuple[int, ...]:
    return (anonymous, *(status,) * 5)


def members(
    viewer: int, operator: int, administrator: int, *, anonymous: int = 302, user: int = 403
):
    """Statuses of the console's and the admin's routes: camera users do not get in."""
    return (anonymous, user, user, viewer, operator, administrator)


def records(viewer: int, operator: int, administrator: int) -> tuple[int, ...]:
    """The admin sends whoever is no staff to its login."""
    return members(viewer, operator, administrator, user=302)


UUID_OF_NOBODY = "00000000-0000-0000-0000-000000000000"
CALLS: dict[str, list[Call]] = {
    # --- For everybody ---
    "": [Call("GET", "/", (302, 200, 200, 200, 200, 200))],
    "health": [Call("GET", "/health", everybody(503)), Call("POST", "/health", everybody(405))],
    "authority.crt": [Call("GET", "/authority.crt", everybody(404))],
    "metrics": [Call("GET", "/metrics", everybody(200))],
    "api/schema": [Call("GET", "/api/schema", everybody(200))],
    "api/docs": [Call("GET", "/api/docs", logged_in(200))],
    "login": [Call("GET", "/login", (200, 302, 302, 302, 302, 302))],
    "logout": [Call("GET", "/logout", everybody(405)), Call("POST", "/logout", everybody(302))],
    "password-reset": [Call("GET", "/password-reset", everybody(200))],
    "password-reset/sent": [Call("GET", "/password-reset/sent", everybody(200))],
    "password-reset/<uidb64>/<token>": [Call("GET", "/password-reset/x/y", everybody(200))],
    "register": [Call("GET", "/register", everybody(404))],
    "register/sent": [Call("GET", "/register/sent", everybody(404))],
    "register/confirm/<user_key>/<token>": [Call("GET", "/register/confirm/x/y", everybody(404))],
    "invitation/<token>": [Call("GET", "/invitation/x", everybody(410))],
    # --- For whoever has a login ---
    "api/token": [Call("POST", "/api/token", (401, 201, 201, 201, 201, 201), body="{}")],
    "account": [Call("GET", "/account", logged_in(200))],
    "account/password": [Call("GET", "/account/password", logged_in(200))],
    "account/delete": [Call("GET", "/account/delete", logged_in(200))],
    "account/sessions": [Call("GET", "/account/sessions", logged_in(200))],
    "account/sessions/<uuid:session_id>/end": [
        Call("POST", "/account/sessions/{session}/end", (302, 302, 404, 404, 404, 404))
    ],
    # --- For a camera session's token, whoever holds it ---
    "api/token/refresh": [
        Call("POST", "/api/token/refresh", everybody(401), body='{"refresh": "x"}')
    ],
    "api/session": [
        Call("GET", "/api/session", everybody(401)),
        Call("DELETE", "/api/session", everybody(401)),
        Call("GET", "/api/session", everybody(200), bearer=True),
    ],
    "api/webrtc/offer": [
        Call("POST", "/api/webrtc/offer", everybody(401), body='{"sdp": "x", "type": "offer"}')
    ],
    # --- For the console's groups ---
    "console/": [Call("GET", "/console/", members(200, 200, 200))],
    "console/audit": [Call("GET", "/console/audit", members(200, 200, 200))],
    "console/audit.csv": [Call("GET", "/console/audit.csv", members(200, 200, 200))],
    "console/invitations": [
        Call("GET", "/console/invitations", members(403, 200, 200)),
        Call("POST", "/console/invitations", members(403, 200, 200), body="days=3"),
    ],
    "console/invitations/<int:pk>/withdraw": [
        Call("POST", "/console/invitations/1/withdraw", members(403, 302, 302))
    ],
    "console/api/sessions/<uuid:session_id>/end": [
        Call("POST", "/console/api/sessions/{session}/end", members(403, 204, 204, anonymous=401))
    ],
    "console/api/users/<int:user_id>/end-sessions": [
        Call(
            "POST", "/console/api/users/{user}/end-sessions", members(403, 200, 200, anonymous=401)
        )
    ],
    "console/api/settings/<slug:name>": [
        Call(
            "POST",
            "/console/api/settings/notice",
            members(403, 403, 200, anonymous=401),
            '{"value": "x"}',
        ),
        Call("DELETE", "/console/api/settings/notice", members(403, 403, 200, anonymous=401)),
        Call(
            "DELETE", "/console/api/settings/accept_sessions", members(403, 200, 200, anonymous=401)
        ),
    ],
    # --- Records, for staff ---
    "admin/": [Call("GET", "/admin/", records(200, 200, 200))],
    "admin/login/": [Call("GET", "/admin/login/", (200, 200, 200, 302, 302, 302))],
    "admin/logout/": [Call("POST", "/admin/logout/", everybody(302))],
    "admin/password_change/": [Call("GET", "/admin/password_change/", records(200, 200, 200))],
    "admin/password_change/done/": [
        Call("GET", "/admin/password_change/done/", records(200, 200, 200))
    ],
    "admin/autocomplete/": [Call("GET", "/admin/autocomplete/", records(403, 403, 403))],
    "admin/jsi18n/": [Call("GET", "/admin/jsi18n/", records(200, 200, 200))],
    "admin/r/<path:content_type_id>/<path:object_id>/": [
        Call("GET", "/admin/r/0/0/", records(404, 404, 404))
    ],
    "admin/^(?P<app_label>auth|axes|accounts|camera_sessions)/$": [
        Call("GET", "/admin/camera_sessions/", records(200, 200, 200)),
        Call("GET", "/admin/accounts/", records(404, 404, 200)),
        Call("GET", "/admin/auth/", records(404, 404, 404)),
    ],
    "admin/(?P<url>.*)$": [Call("GET", "/admin/nothing/", records(404, 404, 404))],
    "admin/accounts/user/<id>/password/": [
        Call("GET", "/admin/accounts/user/{user}/password/", records(403, 403, 200))
    ],
}


def model_calls(path: str, key: str, *, look: tuple[int, ...], change: tuple[int, ...]) -> None:
    """Enter the six routes that the admin has for a model."""
    one = "<path:object_id>/"
    CALLS[path] = [Call("GET", f"/{path}", look)]
    CALLS[f"{path}add/"] = [Call("GET", f"/{path}add/", change)]
    CALLS[f"{path}{one}history/"] = [Call("GET", f"/{path}{key}/history/", look)]
    CALLS[f"{path}{one}change/"] = [Call("GET", f"/{path}{key}/change/", look)]
    CALLS[f"{path}{one}delete/"] = [Call("GET", f"/{path}{key}/delete/", change)]
    CALLS[f"{path}{one}"] = [Call("GET", f"/{path}{key}/", records(302, 302, 302))]


NOBODY = records(403, 403, 403)
ADMINISTRATORS = records(403, 403, 200)
model_calls("admin/accounts/user/", "{user}", look=ADMINISTRATORS, change=ADMINISTRATORS)
model_calls(
    "admin/camera_sessions/camerasession/", "{session}", look=records(200, 200, 200), change=NOBODY
)
for guarded in ("auth/group", "axes/accessattempt", "axes/accesslog", "axes/accessfailurelog"):
    # Superusers' own.
    model_calls(f"admin/{guarded}/", "{nothing}", look=NOBODY, change=NOBODY)
for empty in ("accessattempt", "accesslog", "accessfailurelog"):
    # The admin answers so, whoever asks, for the history of what does not exist.
    path = f"admin/axes/{empty}/<path:object_id>/history/"
    CALLS[path] = [CALLS[path][0]._replace(statuses=records(302, 302, 302))]


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """All routes below a resolver, as the URL configuration writes them."""
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield path
        else:
            yield from routes(entry, path)


@pytest.fixture
def people(db) -> dict[str, User | None]:
    made: dict[str, User | None] = {"anonymous": None}
    for name in CALLERS[1:]:
        made[name] = User.objects.create_user(name, is_staff=name in GROUPS)
    for group in Group.objects.filter(name__in=GROUPS):
        made[group.name].groups.add(group)
    return made


@pytest.fixture
def session(people) -> CameraSession:
    return lifecycle.open_session(people["user"], address=None, limits=LIMITS)


def test_every_route_has_its_entry_and_every_entry_its_route():
    assert set(routes(get_resolver())) == set(CALLS)


@pytest.mark.parametrize(
    "call",
    [call for calls in CALLS.values() for call in calls],
    ids=lambda call: f"{call.method} {call.path}{' by token' if call.bearer else ''}",
)
def test_callers_get_what_they_may(
    people: dict[str, User | None], session: CameraSession, call: Call, settings
):
    settings.METRICS_ALLOW = [ip_network("127.0.0.1")]
    statuses = tuple(status_for(people[caller], call, session) for caller in CALLERS)
    assert statuses == call.statuses, CALLERS


def status_for(caller: User | None, call: Call, session: CameraSession) -> int:
    """The status a caller gets; what the call has changed is taken back."""
    client = Client(raise_request_exception=False)
    with transaction.atomic():
        if caller is not None:
            client.force_login(caller)
        names = {"session": session.pk, "user": session.user_id, "nothing": 1}
        token = tokens.issue(session).access if call.bearer else ""
        reply = client.generic(
            call.method,
            call.path.format(**names),
            call.body,
            content_type=JSON if call.body.startswith("{") or not call.body else FORM,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        transaction.set_rollback(True)
    return reply.status_code
