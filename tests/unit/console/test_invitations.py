"""Making invitation links in the console."""

import pytest
from django.utils import timezone

from apps.accounts.models import Invitation

FORM = "application/x-www-form-urlencoded"


def invite(client, body):
    return client.post("/console/invitations", body, content_type=FORM)


def test_a_link_is_shown_once_and_works(
    operator, browse, client, entries, django_capture_on_commit_callbacks
):
    mine = browse(operator)
    with django_capture_on_commit_callbacks(execute=True):
        page = invite(mine, "email=grace%40example.org&days=3")
    link = page.context["link"]
    assert link.startswith("http://testserver/invitation/")
    assert client.get(link.removeprefix("http://testserver")).status_code == 200
    again = mine.get("/console/invitations")
    assert link not in again.content.decode()
    (row,) = again.context["invitations"]
    assert (row["email"], row["state"], row["created_by"]) == (
        "grace@example.org",
        "open",
        operator,
    )
    assert entries("invited")[0].actor == "operator"


@pytest.mark.parametrize("body", ["days=0", "days=31", "days=", "email=no-address&days=3"])
def test_a_bad_form_makes_no_invitation(operator, browse, body):
    page = invite(browse(operator), body)
    assert page.context["link"] == ""
    assert 'role="alert"' in page.content.decode()
    assert not Invitation.objects.exists()


def test_a_viewer_invites_nobody(viewer, browse):
    assert invite(browse(viewer), "days=3").status_code == 403
    assert not Invitation.objects.exists()


def test_a_withdrawn_invitation_lets_nobody_in(
    operator, browse, client, entries, django_capture_on_commit_callbacks
):
    mine = browse(operator)
    link = invite(mine, "email=grace%40example.org&days=3").context["link"]
    invitation = Invitation.objects.get()
    path = f"/console/invitations/{invitation.pk}/withdraw"
    assert path in mine.get("/console/invitations").content.decode()
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            assert mine.post(path, content_type=FORM).headers["Location"] == "/console/invitations"
    assert client.get(link.removeprefix("http://testserver")).status_code == 410
    page = mine.get("/console/invitations").content.decode()
    assert path not in page
    (entry,) = entries("invitation_withdrawn")
    assert (entry.actor, entry.subject) == ("operator", "grace@example.org")


def test_a_viewer_withdraws_nothing(viewer, operator, browse):
    invite(browse(operator), "days=3")
    path = f"/console/invitations/{Invitation.objects.get().pk}/withdraw"
    assert browse(viewer).post(path, content_type=FORM).status_code == 403
    assert browse(operator).get(path).status_code == 405
    unknown = f"/console/invitations/{10**30}/withdraw"
    assert browse(operator).post(unknown, content_type=FORM).status_code == 302
    assert Invitation.objects.get().is_open(now=timezone.now())
