"""At most one camera is on, whatever order people, browsers and servers act in.

The page in real Chromium, with the server played at the wire (``fake_wire.js``) and cameras that
the test grants and denies in its own order (``fake_camera.js``). What it guards:

- a camera that is granted when nobody wants it any more is stopped at once, and opens no session;
- nor does a refusal that comes late change what the page says;
- a switch that fails leaves the camera before on, and says so;
- the track that is sent is the one that is on;
- a session whose tokens come when nobody wants it any more is ended, and its socket stays closed.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.camera_tab import CameraTab, OpenTab

FAKE_CAMERA = (Path(__file__).parent / "fake_camera.js").read_text()
RANDOM = (Path(__file__).parent / "random_camera.js").read_text()
FULL = (503, {"error": "session_limit", "detail": "All sessions are taken."})


@pytest.fixture
def tab(open_tab: OpenTab) -> CameraTab:
    """The camera page, with two cameras that open when the test says so."""
    return open_tab(init=FAKE_CAMERA)


def asked(tab: CameraTab) -> None:
    """Wait until the page has asked the browser for a camera."""
    tab.page.wait_for_function("() => camera.asked.length === 1")


def grant(tab: CameraTab) -> None:
    """Grant the camera that was asked for first; one at most may be on then."""
    asked(tab)
    tab.page.evaluate("camera.grant()")
    assert tab.page.evaluate("camera.most") <= 1


def deny(tab: CameraTab, name: str = "NotAllowedError") -> None:
    """Refuse the camera that was asked for first."""
    asked(tab)
    tab.page.evaluate("name => camera.deny(name)", name)


def live(tab: CameraTab) -> int:
    """Return how many cameras and scenes are on, once the page has had time for what follows."""
    tab.page.wait_for_timeout(100)
    assert tab.page.evaluate("camera.mostAsked") <= 1
    return int(tab.page.evaluate("camera.live().length"))


def sockets(tab: CameraTab) -> int:
    """Return how many sockets the page has opened."""
    return int(tab.page.evaluate("wire.sockets.length"))


def start(tab: CameraTab) -> None:
    """Start the camera and wait until the stream stands."""
    tab.part("start-camera").click()
    grant(tab)
    tab.expect_state("streaming")
    expect(tab.part("switch-camera")).to_be_visible()


def stopped_with_a_session(tab: CameraTab) -> None:
    """Start and stop the camera: the session stays, and Start asks for the camera again."""
    start(tab)
    tab.part("stop-camera").click()
    tab.part("start-camera").click()
    asked(tab)


def ended_by_an_operator(tab: CameraTab) -> None:
    tab.say(type="ended", reason="operator")
    tab.page.evaluate("wire.close(4404)")
    tab.expect_state("ended", "operator")


def ended_by_its_user(tab: CameraTab) -> None:
    tab.page.get_by_label("Menu").click()
    tab.part("end-session").click()
    tab.expect_state("ended", "ended")


def taken_over(tab: CameraTab) -> None:
    tab.page.evaluate("wire.close(4409)")
    tab.expect_state("taken-over", "elsewhere")


def left(tab: CameraTab) -> None:
    tab.page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide'))")


ENDS = (ended_by_an_operator, ended_by_its_user, taken_over, left)
by_name = pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)


def test_switch_pressed_twice_asks_for_one_camera(tab: CameraTab):
    start(tab)
    tab.page.evaluate("for (const time of [1, 2]) document.getElementById('switch-camera').click()")
    expect(tab.part("switch-camera")).to_be_disabled()
    grant(tab)
    assert live(tab) == 1
    assert len(tab.page.evaluate("camera.requests")) == 2
    expect(tab.part("switch-camera")).to_be_enabled()
    tab.part("stop-camera").click()
    assert live(tab) == 0


def test_a_stop_while_a_switch_is_pending_is_the_last_word(tab: CameraTab):
    start(tab)
    tab.part("switch-camera").click()
    tab.part("stop-camera").click()
    grant(tab)
    assert live(tab) == 0
    tab.expect_state("idle", "camera off")
    assert tab.page.evaluate("camera.sent()") == []


def test_a_start_after_that_stop_gets_its_own_camera(tab: CameraTab):
    start(tab)
    tab.part("switch-camera").click()
    tab.part("stop-camera").click()
    tab.part("start-camera").click()
    grant(tab)
    assert live(tab) == 0
    grant(tab)
    assert live(tab) == 1
    tab.expect_state("streaming")


@by_name
def test_a_grant_after_the_end_is_dropped(tab: CameraTab, end: Callable[[CameraTab], None]):
    stopped_with_a_session(tab)
    end(tab)
    state = tab.part("status").get_attribute("data-state")
    grant(tab)
    assert live(tab) == 0
    tab.page.wait_for_timeout(300)
    assert sockets(tab) == 1
    assert tab.calls["/api/token"] == 1
    assert tab.part("status").get_attribute("data-state") == state


@by_name
def test_a_refusal_after_the_end_is_no_state(tab: CameraTab, end: Callable[[CameraTab], None]):
    stopped_with_a_session(tab)
    end(tab)
    state = tab.part("status").get_attribute("data-state")
    deny(tab)
    assert live(tab) == 0
    assert tab.part("status").get_attribute("data-state") == state


@by_name
def test_a_switch_that_is_pending_at_the_end_is_dropped(
    tab: CameraTab, end: Callable[[CameraTab], None]
):
    start(tab)
    tab.part("switch-camera").click()
    asked(tab)
    end(tab)
    grant(tab)
    assert live(tab) == 0
    assert sockets(tab) == 1


@pytest.mark.parametrize("answer", [grant, deny])
def test_a_scene_that_was_started_stays_whatever_becomes_of_the_prompt(
    tab: CameraTab, answer: Callable[[CameraTab], None]
):
    tab.part("start-camera").click()
    asked(tab)
    # Nobody can press it while the browser asks, but whatever starts it must be the last word.
    tab.page.evaluate("document.getElementById('demo-scene').click()")
    tab.expect_state("streaming", "scene")
    answer(tab)
    assert live(tab) == 1
    tab.expect_state("streaming", "scene")
    tab.part("stop-camera").click()
    assert live(tab) == 0


def test_a_scene_started_twice_is_one_stream(tab: CameraTab):
    tab.page.evaluate("for (const time of [1, 2]) document.getElementById('demo-scene').click()")
    tab.expect_state("streaming", "scene")
    assert live(tab) == 1
    tab.part("stop-camera").click()
    assert live(tab) == 0


def test_a_scene_gives_way_to_a_camera(tab: CameraTab):
    tab.part("demo-scene").click()
    tab.expect_state("streaming", "scene")
    tab.page.evaluate("document.getElementById('start-camera').click()")
    grant(tab)
    assert live(tab) == 1
    tab.expect_state("streaming", "streaming")


@pytest.mark.parametrize("name", ["NotReadableError", "NotAllowedError", "NotFoundError"])
def test_a_switch_that_fails_leaves_the_camera_on(tab: CameraTab, name: str):
    start(tab)
    tab.part("switch-camera").click()
    deny(tab, name)
    grant(tab)
    assert live(tab) == 1
    assert tab.page.evaluate("camera.requests.map((video) => video.deviceId?.exact)") == [
        None,
        "two",
        "one",
    ]
    tab.expect_state("streaming")
    expect(tab.part("camera-note")).to_contain_text(re.compile("other camera", re.IGNORECASE))
    expect(tab.part("camera-note")).to_contain_text("This one stays on.")
    expect(tab.part("switch-camera")).to_be_enabled()
    assert tab.page.evaluate("camera.sent()[0] === camera.live()[0]")
    tab.answer(tab.ask("What do you see?"), "A star.")
    tab.part("switch-camera").click()
    grant(tab)
    expect(tab.part("camera-note")).to_be_hidden()


def test_a_switch_that_leaves_no_camera_says_so(tab: CameraTab):
    start(tab)
    tab.part("switch-camera").click()
    deny(tab, "NotReadableError")
    deny(tab, "NotReadableError")
    tab.expect_state("taken", "in use")
    assert live(tab) == 0
    expect(tab.part("camera-note")).to_be_hidden()


def test_a_stop_while_the_camera_before_is_reopened_is_the_last_word(tab: CameraTab):
    start(tab)
    tab.part("switch-camera").click()
    deny(tab, "NotReadableError")
    asked(tab)
    tab.part("stop-camera").click()
    grant(tab)
    assert live(tab) == 0
    expect(tab.part("camera-note")).to_be_hidden()


def test_a_camera_that_goes_as_it_comes_is_not_there(tab: CameraTab):
    tab.part("start-camera").click()
    asked(tab)
    tab.page.evaluate("() => { camera.grant(); camera.lose(); }")
    tab.expect_state("lost", "lost")
    assert sockets(tab) == 0


def wake(tab: CameraTab) -> None:
    """Come back to a page whose camera was muted while it was hidden."""
    tab.page.evaluate("camera.live()[0].silent = true; camera.hide(true); camera.hide(false)")


def test_a_camera_that_stays_muted_is_opened_anew(tab: CameraTab):
    start(tab)
    wake(tab)
    grant(tab)
    assert live(tab) == 1
    tab.expect_state("streaming")


def test_a_camera_that_was_stopped_before_it_could_wake_stays_off(tab: CameraTab):
    start(tab)
    wake(tab)
    tab.part("stop-camera").click()
    tab.page.wait_for_timeout(400)
    assert len(tab.page.evaluate("camera.requests")) == 1
    assert live(tab) == 0


def test_a_page_that_is_hidden_again_opens_no_camera(tab: CameraTab):
    start(tab)
    wake(tab)
    tab.page.evaluate("camera.hide(true)")
    tab.page.wait_for_timeout(400)
    assert len(tab.page.evaluate("camera.requests")) == 1


def test_a_camera_that_wakes_when_its_session_has_ended_is_dropped(tab: CameraTab):
    start(tab)
    wake(tab)
    asked(tab)
    ended_by_an_operator(tab)
    grant(tab)
    assert live(tab) == 0
    assert sockets(tab) == 1


def test_a_stop_ends_the_wait_for_a_place(open_tab: OpenTab):
    tab = open_tab(init=FAKE_CAMERA, token=FULL)
    tab.part("start-camera").click()
    grant(tab)
    tab.expect_state("busy", "busy")
    tab.part("stop-camera").click()
    tab.token = (201, {"access": "a", "refresh": "r", "ws_url": "/ws/s"})
    tab.expect_state("idle", "camera off")
    tab.page.wait_for_timeout(6000)
    assert tab.calls["/api/token"] == 1
    assert sockets(tab) == 0


FORGOTTEN = """async (ends) => {
    const { CameraSession } = await import("/static/camera/session.js");
    const { ProtocolSocket } = await import("/static/camera/socket.js");
    const asked = [];
    window.fetch = (path, { method }) => new Promise((resolve) => {
        const body = { access: "a", refresh: "r", ws_url: "/ws/s", expires_in: 300 };
        const reply = () => resolve(new Response(JSON.stringify(body), { status: 200 }));
        asked.push({ method, path, reply });
    });
    const session = new CameraSession({ login: "" });
    const states = [];
    const socket = new ProtocolSocket({
        credentials: (options) => session.credentials(options),
        onState: ({ state }) => states.push(state),
        onMessage: () => {},
    });
    const settle = () => new Promise((resolve) => setTimeout(resolve, 50));
    if (ends.renewing) {
        const first = session.credentials();
        asked.shift().reply();
        await first;
        session.credentials({ renew: true }).catch(() => {});
        await settle();
    } else {
        socket.open();
    }
    session.forget();
    socket[ends.how]("user");
    asked.shift().reply();
    await settle();
    return {
        open: session.open,
        states,
        sockets: wire.sockets.length,
        then: asked.map(({ method, path }) => `${method} ${path}`),
    };
}"""


@pytest.mark.parametrize(("how", "state"), [("close", "closed"), ("end", "ended")])
def test_tokens_that_come_after_the_end_open_nothing(tab: CameraTab, how: str, state: str):
    end: dict[str, Any] = tab.page.evaluate(FORGOTTEN, {"how": how, "renewing": False})
    assert end["states"] == ["connecting", state]
    assert (end["open"], end["sockets"]) == (False, 0)
    assert end["then"] == ["DELETE /api/session"]  # It would hold a place until it is idle.


def test_renewed_tokens_do_not_revive_a_forgotten_session(tab: CameraTab):
    end: dict[str, Any] = tab.page.evaluate(FORGOTTEN, {"how": "close", "renewing": True})
    assert (end["open"], end["sockets"], end["then"]) == (False, 0, [])


def test_an_end_that_is_confirmed_late_spares_the_session_after_it(tab: CameraTab):
    start(tab)
    held: list[Any] = []
    tab.page.route("**/api/session", lambda route: held.append(route), times=1)
    tab.page.get_by_label("Menu").click()
    tab.part("end-session").click()
    ended_by_an_operator(tab)
    tab.part("new-session").click()
    grant(tab)
    tab.expect_state("streaming")
    held[0].fulfill(status=401, json={"error": "session_ended", "detail": "It has ended."})
    assert live(tab) == 1
    tab.expect_state("streaming")


LATE_REPLACEMENT = """async () => {
    const { PeerLink } = await import("/static/camera/peer.js");
    const states = [];
    const peer = new PeerLink({
        send: () => true,
        iceServers: () => [],
        onState: ({ state }) => states.push(state),
        onOffer: () => {},
    });
    const track = () => document.createElement("canvas").captureStream(1).getTracks()[0];
    const [first, second] = [track(), track()];
    peer.signallingReady();
    peer.setTrack(first);     // Being connected …
    peer.setTrack(second);    // … when the camera is switched …
    peer.setTrack(null);      // … and stopped.
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { sent: camera.sent().length, state: peer.state, offered: peer.offered };
}"""


def test_a_connection_that_was_stopped_while_it_was_made_sends_nothing(tab: CameraTab):
    after: dict[str, Any] = tab.page.evaluate(LATE_REPLACEMENT)
    assert after == {"sent": 0, "state": "off", "offered": False}


def test_a_camera_changed_while_the_socket_was_away_is_what_is_sent(tab: CameraTab):
    start(tab)
    tab.page.evaluate("wire.opening = false; wire.close(1006)")
    tab.expect_state("reconnecting", "reconnecting")
    tab.part("switch-camera").click()
    grant(tab)
    tab.page.evaluate("wire.opening = true; window.dispatchEvent(new Event('online'))")
    tab.expect_state("streaming")
    assert live(tab) == 1
    assert tab.page.evaluate("camera.sent().length === 1 && camera.sent()[0] === camera.live()[0]")


def test_a_connection_that_will_not_take_the_other_camera_is_made_anew(tab: CameraTab):
    start(tab)
    tab.page.evaluate("""() => {
        const replace = RTCRtpSender.prototype.replaceTrack;
        RTCRtpSender.prototype.replaceTrack = async function () {
            RTCRtpSender.prototype.replaceTrack = replace;
            throw new DOMException("no", "InvalidModificationError");
        };
    }""")
    tab.part("switch-camera").click()
    grant(tab)
    tab.page.wait_for_function("() => wire.sent.filter((m) => m.type === 'offer').length === 2")
    tab.expect_state("streaming")
    assert tab.page.evaluate("camera.sent().length === 1 && camera.sent()[0] === camera.live()[0]")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_order_of_events_turns_on_two_cameras(tab: CameraTab, seed: int):
    played: dict[str, Any] = tab.page.evaluate(RANDOM, {"seed": seed, "steps": 300})
    assert played["problem"] is None, (played["problem"], *played["done"][-12:])
    # It has lived through something.
    assert played["sessions"] > 3
    assert tab.page.evaluate("camera.tracks.length") > 20
