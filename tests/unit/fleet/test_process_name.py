"""A process's name: the same each time, and nobody else's, as a container's number 1 needs it."""

import os

import pytest

from apps.fleet import process_name as module
from apps.fleet.process_name import process_name


def test_it_stays_the_same() -> None:
    assert process_name() == process_name()


def test_two_containers_on_one_host_have_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    module._name_of.cache_clear()
    one = process_name()
    module._name_of.cache_clear()  # What another process has not computed yet.
    other = process_name()
    module._name_of.cache_clear()
    assert one != other
