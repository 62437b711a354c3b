"""The product keeps passwords as Argon2 hashes; the other unit tests use a quick one instead."""

import pytest
from django.contrib.auth.hashers import identify_hasher, make_password
from pytest_django import Settings

from qwencam_site import settings as product


@pytest.fixture
def _products_hashers(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = product.PASSWORD_HASHERS


@pytest.mark.usefixtures("_products_hashers")
def test_new_passwords_are_hashed_with_argon2():
    encoded = make_password("a-long-test-password")
    assert encoded.startswith("argon2$argon2id$")
    assert identify_hasher(encoded).algorithm == "argon2"
