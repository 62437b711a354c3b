"""A stranger sends to the UDP ports of somebody's stream: nothing happens to it.

Seen: one datagram, empty or of 1,501 bytes that look like RTP, and the stream closed.
"""

import socket
from pathlib import Path

import httpx
from playwright.sync_api import expect

from deploy.stand_in_model import Script
from tests.e2e.browser import ask, log_in, open_page
from tests.scenes import picture, write_y4m
from tests.stack import Stack
from tests.unit.streaming import hostile

COUNT = 10_000


def counter(stack: Stack, start: str) -> float:
    """Return the sum of the web process's samples whose names and labels start so."""
    lines = httpx.get(f"{stack.url}/metrics", timeout=20).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


def spray(stack: Stack, place: tuple[str, int]) -> None:
    """Send everything hostile to one port, as fast as the web process takes it."""
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    everything = (b"", b"\x80" * 1501, *hostile.datagrams(place[1], COUNT))
    with socket.socket(family, socket.SOCK_DGRAM) as stranger:
        for number, datagram in enumerate(everything):
            stranger.sendto(datagram, place)
            if number % 100 == 0:
                # More would only overflow the port's buffer. An answer shows that it was read.
                counter(stack, "qwencam_offers_total")


def test_a_stranger_changes_nothing(light_stack: Stack, script: Script, tmp_path: Path):
    clip = write_y4m(tmp_path / "clip.y4m", [picture("red circle middle")], seconds=4)
    log = light_stack.data_dir / "logs" / "web.log"
    with open_page(camera=clip) as page:
        log_in(page, light_stack.url)
        page.get_by_test_id("start-camera").click()
        expect(page.get_by_test_id("status")).to_contain_text("Streaming")
        offers = counter(light_stack, "qwencam_offers_total")
        dropped = counter(light_stack, "qwencam_datagrams_dropped_total")
        logged = log.stat().st_size
        (daphne,) = light_stack.processes("daphne")
        ports = {
            connection.laddr.port: connection.laddr.ip
            for connection in daphne.net_connections("udp")
        }
        assert ports
        assert ask(page, "What do you see?") == "A red star."
        for port, address in ports.items():
            spray(light_stack, (address, port))
        assert ask(page, "And now?") == "A red star."
        expect(page.get_by_test_id("status")).to_contain_text("Streaming")
        # Not all: STUN requests are answered, and the kernel loses what finds its buffer full.
        more = counter(light_stack, "qwencam_datagrams_dropped_total") - dropped
        assert more > COUNT / 4 * len(ports)
        # It is the same stream, and the log has nothing to say.
        assert counter(light_stack, "qwencam_offers_total") == offers
        told = log.read_text()[logged:]
        assert "Traceback" not in told
        assert "aioice" not in told
