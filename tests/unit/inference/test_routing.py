"""Which server is asked next: alive before dead, then the least busy, a session's own first."""

import pytest

from apps.inference.routing import COOLDOWN_SECONDS, STICKY_HEADSTART, Server, in_order

NOW = 1000.0


def server(name: str, **facts) -> Server:
    return Server(f"http://{name}/v1", **facts)


def first(*servers: Server, sticky: str = "") -> str:
    return in_order(servers, sticky=sticky, now=NOW)[0].name


def test_the_least_busy_comes_first_whoever_keeps_it_busy():
    assert first(server("a", open=2), server("b", open=1)) == "b"
    assert first(server("a", open=1), server("b", elsewhere=2)) == "a"


def test_of_equals_the_one_that_waited_longest_comes_first():
    assert first(server("a", last_request=5), server("b", last_request=4)) == "b"


def test_a_dead_one_comes_last_but_is_not_forgotten():
    order = in_order([server("a", up=False), server("b", open=9)], sticky="a", now=NOW)
    assert [item.name for item in order] == ["b", "a"]


def test_one_that_just_refused_rests():
    refused = server("a", refused_at=NOW - 1)
    assert first(refused, server("b", open=5)) == "b"
    refused.refused_at = NOW - COOLDOWN_SECONDS
    assert first(refused, server("b", open=5)) == "a"


def test_one_that_came_back_does_not_rest():
    back = server("a", up=False, refused_at=NOW - 1)
    back.came_back()
    assert first(back, server("b", open=1)) == "a"


def test_one_that_refused_but_was_never_dead_rests_on():
    refused = server("a", refused_at=NOW - 1)
    refused.came_back()
    assert first(refused, server("b", open=1)) == "b"


@pytest.mark.parametrize(("ahead", "chosen"), [(0, "a"), (STICKY_HEADSTART, "a"), (3, "b")])
def test_a_sessions_own_server_has_a_headstart(ahead, chosen):
    assert first(server("a", open=1 + ahead), server("b", open=1), sticky="a") == chosen


def test_a_name_tells_no_password():
    assert Server("https://user:secret@gpu.example:8443/one/v1").name == "gpu.example:8443/one"


def test_an_answer_that_fails_keeps_no_server_busy():
    busy = server("a")
    with pytest.raises(LookupError), busy.answering():
        assert busy.load == 1
        raise LookupError
    assert busy.load == 0
