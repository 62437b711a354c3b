"""Media settings read into values: a wrong one stops the start with a sentence that names it."""

import pytest

from apps.streaming.config import MediaConfig, parse_ice_servers

TURN = {"urls": ["turn:turn.example:3478?transport=udp"], "username": "u", "credential": "c"}


def test_no_servers_by_default():
    assert MediaConfig().ice_servers == ()


def test_one_stun_and_one_turn_at_most():
    servers = parse_ice_servers(
        [
            {"urls": "stun:a.example"},
            {"urls": ["stun:b.example", TURN["urls"][0]], "username": "u", "credential": "c"},
            {"urls": "turns:second.example?transport=tcp"},
        ]
    )
    assert [server.urls for server in servers] == ["stun:a.example", TURN["urls"][0]]
    assert (servers[1].username, servers[1].credential) == ("u", "c")


@pytest.mark.parametrize(
    "server", [{}, {"urls": 5}, {"urls": ["https://x"]}, {"urls": "stun:"}, {"urls": [None]}]
)
def test_wrong_servers_name_their_setting(server):
    with pytest.raises(ValueError, match="ICE_SERVERS"):
        parse_ice_servers([server])


@pytest.mark.parametrize("ports", [(80, 90), (40_100, 40_000), (60_000, 70_000)])
def test_ports_must_be_usable(ports):
    with pytest.raises(ValueError, match="ICE_PORT_RANGE"):
        MediaConfig(port_range=ports)


def test_the_public_address_is_an_address():
    with pytest.raises(ValueError, match="ICE_PUBLIC_ADDRESS"):
        MediaConfig(public_address="camera.example")
