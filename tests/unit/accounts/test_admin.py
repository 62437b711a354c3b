"""Accounts in the admin.

Guards against: an administrator of the console who makes themselves a superuser, or takes over
one by setting their password.
"""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User
from apps.accounts.signals import AccountChange, account_changed

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def administrator(db) -> User:
    user = User.objects.create_user("administrator", is_staff=True)
    user.groups.add(Group.objects.get(name="administrator"))
    return user


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root", password="root-password")


def admin_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_an_administrator_can_not_make_a_superuser(administrator):
    page = admin_of(administrator).get(f"/admin/accounts/user/{administrator.pk}/change/")
    assert page.status_code == 200
    fields = page.context["adminform"].form.fields
    assert "is_staff" in fields
    assert "is_superuser" not in fields
    assert "user_permissions" not in fields


def test_a_superuser_is_out_of_an_administrators_reach(administrator, root):
    client = admin_of(administrator)
    change = client.post(f"/admin/accounts/user/{root.pk}/change/", "username=x", content_type=FORM)
    assert change.status_code == 403
    new = "password1=new-password-9&password2=new-password-9"
    path = f"/admin/accounts/user/{root.pk}/password/"
    assert client.post(path, new, content_type=FORM).status_code == 403
    delete = client.post(f"/admin/accounts/user/{root.pk}/delete/", "post=yes", content_type=FORM)
    assert delete.status_code == 403
    root.refresh_from_db()
    assert root.check_password("root-password")


def test_what_an_administrator_does_to_accounts_is_told(
    administrator, django_capture_on_commit_callbacks
):
    told = []

    def hear(*, change, username, actor, **_):
        told.append((change, username, actor))

    anna = User.objects.create_user("anna")
    account_changed.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            new = "password1=new-password-9&password2=new-password-9&usable_password=true"
            path = f"/admin/accounts/user/{anna.pk}/password/"
            assert admin_of(administrator).post(path, new, content_type=FORM).status_code == 302
    finally:
        account_changed.disconnect(hear)
    assert told == [(AccountChange.EDITED_BY_ADMIN, "anna", administrator)]


def test_a_superuser_may_do_both(root):
    page = admin_of(root).get(f"/admin/accounts/user/{root.pk}/change/")
    assert "is_superuser" in page.context["adminform"].form.fields
