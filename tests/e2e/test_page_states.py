"""The camera page's states in real Chromium, with the server played at the wire.

What it guards:

- each state has words of its own, and a way on: denied, no camera, insecure, connecting,
  reconnecting, model busy, model down, server busy, session ended, taken over, sign-in;
- a question waits for the camera and for the connection, and is asked once;
- after a lost socket the rest of an answer is asked for, with a new peer connection;
- batches out of order are put right, and a gap is asked for;
- Enter, Shift+Enter and Escape; nothing moves while an answer comes; no errors under the page's
  Content-Security-Policy;
- an idle camera sends a third of the frames, never more pixels than the model can use, and all at
  once when the person turns to the field or a suggestion.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.camera_tab import FRAME, TOKENS, OpenTab

NO_PERMISSION = """navigator.mediaDevices.getUserMedia =
    async () => { throw new DOMException("no", "NotAllowedError"); };"""
INSECURE = """Object.defineProperty(window, "isSecureContext", {value: false});
    Object.defineProperty(navigator, "mediaDevices", {value: undefined});"""


def test_before_the_start_the_camera_is_off_and_no_session_was_opened(open_tab: OpenTab):
    tab = open_tab()
    tab.expect_state("idle", "camera off")
    assert tab.calls == {}
    assert tab.page.locator("html").get_attribute("lang") == "en"


def test_a_start_leads_over_connecting_to_streaming(open_tab: OpenTab):
    tab = open_tab()
    tab.page.evaluate("wire.answering = false")
    tab.part("start-camera").click()
    tab.expect_state("connecting", "connecting")
    tab.page.wait_for_function("() => wire.last('offer')")
    assert "m=audio" not in tab.sent("offer")[0]["sdp"]
    assert "a=sendonly" in tab.sent("offer")[0]["sdp"]
    tab.page.evaluate("wire.answerLate()")
    tab.expect_state("streaming")


def test_a_denied_camera_says_so_and_offers_the_drawn_scene(open_tab: OpenTab):
    tab = open_tab(init=NO_PERMISSION)
    tab.part("start-camera").click()
    tab.expect_state("denied", "denied", "permission")
    tab.part("demo-scene").click()
    tab.expect_state("streaming", "scene")


def test_no_camera_is_said_before_anybody_asks(open_tab: OpenTab):
    tab = open_tab(browser="none")
    tab.expect_state("no-camera", "no camera")
    expect(tab.part("demo-scene")).to_be_visible()


def test_an_insecure_page_says_how_to_get_https(open_tab: OpenTab):
    tab = open_tab(init=INSECURE)
    tab.expect_state("insecure", "https")
    expect(tab.page.locator("#notice-text")).to_contain_text("SSL_CERT_PATH")


def test_a_new_scene_is_another_picture(open_tab: OpenTab):
    tab = open_tab()
    tab.part("demo-scene").click()
    scene = tab.page.locator("#scene")
    before = scene.get_attribute("aria-label")
    assert before and before.startswith("Drawn scene: a")
    tab.part("new-scene").click()
    expect(scene).not_to_have_attribute("aria-label", before)


def test_an_answer_comes_in_batches_and_ends_with_its_figures(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    question = tab.ask("What do you see?")
    tab.say(type="token", id=question, seq=1, text="A red")
    expect(tab.part("answer")).to_have_text("A red")
    tab.say(type="token", id=question, seq=2, text=" circle.")
    expect(tab.part("answer")).to_have_text("A red circle.")
    tab.respond(question, "A red circle.")
    expect(tab.part("answer-meta")).to_contain_text("240 ms to first token")
    expect(tab.part("answer-meta")).to_contain_text("frame 38 ms old")
    expect(tab.page.locator("#announcer")).to_have_text("A red circle.")


def test_a_gap_is_asked_for_once_and_batches_are_put_in_order(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    question = tab.ask("What do you see?")
    for seq, text in ((1, "A "), (3, "blue "), (4, "star.")):
        tab.say(type="token", id=question, seq=seq, text=text)
    expect(tab.part("answer")).to_have_text("A ")
    assert tab.sent("resume") == [{"type": "resume", "id": question, "after": 1}]
    tab.say(type="token", id=question, seq=2, text="big ")
    tab.say(type="token", id=question, seq=2, text="big ")
    expect(tab.part("answer")).to_have_text("A big blue star.")


def test_a_question_before_the_camera_waits_for_it(open_tab: OpenTab):
    tab = open_tab()
    tab.type_question("What do you see?")
    expect(tab.part("answer-meta")).to_contain_text("Start the camera")
    assert tab.sent("chat") == []
    tab.start()
    assert [message["content"] for message in tab.sent("chat")] == ["What do you see?"]


def test_a_question_that_came_before_the_stream_is_asked_again_when_it_stands(open_tab: OpenTab):
    tab = open_tab()
    tab.page.evaluate("wire.answering = false")
    tab.part("start-camera").click()
    first = tab.ask("What do you see?")
    tab.fail(first, "no_frame", "No picture has come yet.")
    expect(tab.part("answer-meta")).to_contain_text("Waiting for the first picture")
    tab.page.evaluate("wire.answerLate()")
    tab.expect_state("streaming")
    assert [message["content"] for message in tab.sent("chat")] == ["What do you see?"] * 2
    tab.answer(tab.sent("chat")[-1]["id"], "A star.")
    expect(tab.part("answer")).to_have_text("A star.")


def test_a_lost_socket_comes_back_with_a_new_peer_and_the_rest_of_the_answer(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    question = tab.ask("What do you see?")
    tab.say(type="token", id=question, seq=1, text="A ")
    tab.page.evaluate("wire.opening = false; wire.close(1006)")
    tab.expect_state("reconnecting", "reconnecting")
    tab.page.evaluate("wire.opening = true")
    tab.page.evaluate("window.dispatchEvent(new Event('online'))")
    tab.expect_state("streaming")
    assert tab.sent("resume") == [{"type": "resume", "id": question, "after": 1}]
    assert len(tab.sent("offer")) == 2
    assert len(tab.sent("chat")) == 1
    tab.respond(question, "A star.")
    expect(tab.part("answer")).to_have_text("A star.")


def test_a_server_that_forgot_the_question_is_asked_anew(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    question = tab.ask("What do you see?")
    tab.page.evaluate("wire.close(1012)")
    tab.page.wait_for_function("() => wire.last('resume')")
    tab.fail(question, "unknown_question", "Not known here.")
    assert [message["id"] for message in tab.sent("chat")] == [question, question]


def test_a_lost_peer_connection_is_made_anew(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.say(type="stream", state="failed", width=0, height=0, fps=0)
    tab.page.wait_for_function("() => wire.sent.filter((m) => m.type === 'offer').length === 2")
    tab.expect_state("streaming")


def test_a_busy_model_says_how_many_are_ahead(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    question = tab.ask("What do you see?")
    tab.say(type="queued", id=question, position=4)
    tab.expect_state("model-busy", "busy")
    expect(tab.part("answer-meta")).to_have_text("3 questions are ahead of yours.")
    tab.answer(question, "A star.")
    tab.expect_state("streaming")


def test_a_model_that_is_down_says_so_and_can_be_tried_again(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    question = tab.ask("What do you see?")
    tab.fail(question, "model_unavailable", "The model server does not answer.")
    tab.expect_state("model-down", "model down")
    expect(tab.part("messages")).to_contain_text("The model server does not answer.")
    tab.page.get_by_role("button", name="Try again").click()
    tab.answer(tab.sent("chat")[-1]["id"], "A star.")
    expect(tab.part("answer")).to_have_text("A star.")
    tab.expect_state("streaming")


@pytest.mark.parametrize(
    ("code", "tone", "detail"),
    [
        ("nsfw_refused", "warn", "The picture was judged indecent and dropped."),
        ("filter_failed", "bad", "Face blur is on but could not run."),
    ],
)
def test_a_picture_that_a_privacy_filter_holds_back_is_told_of(
    open_tab: OpenTab, code: str, tone: str, detail: str
):
    tab = open_tab()
    tab.start()
    question = tab.ask("What do you see?")
    tab.fail(question, code, detail)
    problem = tab.page.locator(".problem")
    expect(problem).to_contain_text(detail)
    expect(problem).to_have_attribute("data-tone", tone)
    expect(tab.page.locator("#announcer")).to_have_text(detail)
    tab.expect_state("streaming")
    tab.page.get_by_role("button", name="Try again").click()
    tab.answer(tab.sent("chat")[-1]["id"], "A star.")
    expect(tab.part("answer")).to_have_text("A star.")


def test_a_full_server_says_so_and_is_tried_again(open_tab: OpenTab):
    full = {"error": "session_limit", "detail": "All sessions are taken."}
    tab = open_tab(token=(503, full))
    tab.part("start-camera").click()
    tab.expect_state("busy", "busy", "All sessions are taken.")
    tab.token = (201, TOKENS)
    tab.part("retry").click()
    tab.expect_state("streaming")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("address_session_limit", "Too many sessions from your address"),
        ("user_session_limit", "You have too many sessions open"),
    ],
)
def test_too_many_sessions_are_a_state_of_their_own(open_tab: OpenTab, code: str, words: str):
    tab = open_tab(token=(429, {"error": code, "detail": "There are 5 already."}))
    tab.part("start-camera").click()
    tab.expect_state("busy", "Too many sessions", "There are 5 already.")
    expect(tab.page.locator("#notice-title")).to_have_text(words)
    tab.token = (201, TOKENS)
    tab.part("retry").click()
    tab.expect_state("streaming")


def test_without_a_login_the_way_leads_there(open_tab: OpenTab):
    tab = open_tab(token=(401, {"error": "not_authenticated", "detail": "Log in first."}))
    tab.part("start-camera").click()
    tab.expect_state("sign-in", "Log in first.")
    tab.part("sign-in").click()
    expect(tab.page).to_have_url(re.compile(r"/login\?next="))


@pytest.mark.parametrize(("code", "state"), [(4404, "ended"), (4408, "ended"), (4403, "ended")])
def test_an_ended_session_is_not_reopened_by_itself(open_tab: OpenTab, code: int, state: str):
    tab = open_tab()
    tab.start()
    tab.page.evaluate("code => wire.close(code)", code)
    tab.expect_state(state, "ended")
    expect(tab.part("start-camera")).to_be_visible()  # The camera was let go.
    assert tab.calls["/api/token"] == 1
    tab.part("new-session").click()
    tab.expect_state("streaming")
    assert tab.calls["/api/token"] == 2


def test_the_end_that_the_server_tells_of_says_why(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.say(type="ended", reason="operator")
    tab.page.evaluate("wire.close(4404)")
    tab.expect_state("ended", "operator")


def test_an_operator_who_ends_a_session_says_why(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.say(type="ended", reason="operator", note="Back at <noon>.")
    tab.page.evaluate("wire.close(4404)")
    tab.expect_state("ended", "operator", "“Back at <noon>.”")


def test_a_browser_that_was_signed_out_says_so_and_leads_to_the_login(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.answer(tab.ask("What do you see?"), "A star.")
    tab.part("live-toggle").click()
    tab.part("question").fill("And th")
    tab.say(type="ended", reason="signed_out")
    tab.page.evaluate("wire.close(4404)")
    tab.expect_state("signed-out", "signed out", "sign-in has ended")
    expect(tab.part("answer")).to_have_count(0)
    expect(tab.part("question")).to_have_value("")
    expect(tab.part("live-toggle")).to_have_attribute("aria-checked", "false")
    assert tab.page.locator("#announcer").inner_text() == ""
    expect(tab.part("new-session")).to_have_count(0)
    tab.part("sign-in").click()
    expect(tab.page).to_have_url(re.compile(r"/login\?next="))


def test_a_page_of_another_login_is_loaded_anew(open_tab: OpenTab):
    changed = {"error": "login_changed", "detail": "The login has changed."}
    tab = open_tab(token=(409, changed))
    tab.type_question("What do you see?")
    with tab.page.expect_navigation():
        tab.part("start-camera").click()
    tab.expect_state("idle", "camera off")
    expect(tab.part("answer")).to_have_count(0)
    assert tab.calls["/api/token"] == 1


def test_an_operators_notice_comes_and_goes(open_tab: OpenTab):
    tab = open_tab()
    expect(tab.part("operator-notice")).to_be_hidden()
    tab.start()
    tab.say(type="notice", text="Down for a minute at noon.")
    expect(tab.part("operator-notice")).to_have_text("Down for a minute at noon.")
    tab.say(type="notice", text="")
    expect(tab.part("operator-notice")).to_be_hidden()


def test_a_session_taken_over_waits_to_be_taken_back(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.page.evaluate("wire.close(4409)")
    tab.expect_state("taken-over", "elsewhere")
    assert tab.page.evaluate("wire.sockets.length") == 1
    tab.part("use-here").click()
    tab.expect_state("streaming")
    assert tab.calls["/api/token"] == 1


def test_a_refused_token_is_renewed(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.page.evaluate("wire.close(4401)")
    tab.page.wait_for_function("() => wire.sockets.at(-1).protocols.includes('bearer.b')")
    tab.expect_state("streaming")
    assert tab.calls["/api/token/refresh"] == 1


def test_ending_the_session_tells_the_server(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.page.get_by_label("Menu").click()
    tab.part("end-session").click()
    tab.expect_state("ended", "ended")
    assert tab.calls["/api/session"] == 1


def test_an_end_that_fails_says_why_and_the_session_goes_on(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    refusal = {"error": "unavailable", "detail": "The database does not answer."}
    tab.page.route("**/api/session", lambda route: route.fulfill(status=503, json=refusal), times=1)
    tab.page.get_by_label("Menu").click()
    tab.part("end-session").click()
    expect(tab.part("menu-error")).to_have_text("The database does not answer.")
    tab.expect_state("streaming")
    tab.part("end-session").click()
    tab.expect_state("ended", "ended")
    expect(tab.part("menu-error")).to_be_hidden()


def test_the_keyboard_sends_breaks_lines_and_stops(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    field = tab.part("question")
    field.fill("Two")
    field.press("Shift+Enter")
    field.press_sequentially("lines")
    field.press("Enter")
    assert tab.sent("chat")[-1]["content"] == "Two\nlines"
    expect(tab.part("cancel")).to_be_visible()
    field.press("Escape")
    question = tab.sent("chat")[-1]["id"]
    assert tab.sent("cancel") == [{"type": "cancel", "id": question}]
    expect(tab.part("answer-meta")).to_have_text("Stopped")
    tab.say(type="token", id=question, seq=1, text="Too late.")
    expect(tab.part("answer")).to_have_text("")


def test_live_mode_without_a_camera_points_at_its_button_until_it_is_off(open_tab: OpenTab):
    tab = open_tab()
    screen = tab.page.locator("#screen")
    tab.part("live-toggle").click()
    expect(tab.part("live-meta")).to_have_text("Start the camera to begin.")
    expect(screen).to_have_attribute("data-attention", "start")
    tab.part("live-toggle").click()
    expect(screen).to_have_attribute("data-attention", "")


def test_live_mode_starts_changes_and_stops(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.part("live-toggle").click()
    expect(tab.part("live-toggle")).to_have_attribute("aria-checked", "true")
    tab.say(type="live", text="A red circle.", inference_time=0.4, frame=FRAME)
    expect(tab.part("live-text")).to_have_text("A red circle.")
    expect(tab.part("live-meta")).to_contain_text("frame 38 ms old")
    tab.part("live-prompt").fill("How many?")
    tab.part("live-prompt").press("Enter")
    prompts = [message["prompt"] for message in tab.sent("live")]
    assert prompts == ["What do you see?", "How many?"]
    tab.page.evaluate("wire.close(1006)")
    tab.page.wait_for_function("() => wire.sent.filter((m) => m.type === 'live').length === 3")
    tab.part("live-toggle").click()
    assert len(tab.sent("live_stop")) == 1
    expect(tab.part("live-text")).to_be_hidden()


SENT_PER_SECOND = """async () => {
    const inbound = async () => {
        const stats = [...(await wire.far.getStats()).values()];
        const nothing = { framesReceived: 0, frameWidth: 0 };
        return stats.find((s) => s.type === "inbound-rtp") ?? nothing;
    };
    const before = await inbound();
    const began = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const after = await inbound();
    const frames = after.framesReceived - before.framesReceived;
    return { rate: (1000 * frames) / (performance.now() - began), width: after.frameWidth };
}"""


USUAL_DEMAND = {
    "asking": False,
    "live": False,
    "liveRate": 2,
    "frameEdge": 448,
    "width": 1280,
    "height": 720,
}
ENCODINGS: list[tuple[dict[str, Any], dict[str, float]]] = [
    ({}, {"maxFramerate": 10, "scaleResolutionDownBy": 2, "maxBitrate": 345_600}),
    ({"asking": True}, {"maxFramerate": 30, "scaleResolutionDownBy": 2}),
    ({"live": True}, {"maxFramerate": 10}),
    ({"live": True, "liveRate": 8}, {"maxFramerate": 16}),
    ({"live": True, "liveRate": 30}, {"maxFramerate": 30}),
    ({"width": 640, "height": 480}, {"scaleResolutionDownBy": 1}),
    ({"width": 720, "height": 1280}, {"scaleResolutionDownBy": 2}),
    ({"frameEdge": 1288}, {"scaleResolutionDownBy": 1}),
    ({"frameEdge": 1288, "asking": True}, {"maxBitrate": 2_500_000}),
    ({"width": 0, "height": 0}, {"scaleResolutionDownBy": 1, "maxBitrate": 0}),
]


def test_the_encoding_follows_what_is_demanded_of_it(open_tab: OpenTab):
    choose = """async (demands) => {
        const { chooseEncoding } = await import("/static/camera/encoding.js");
        return demands.map(chooseEncoding);
    }"""
    demands = [USUAL_DEMAND | demand for demand, _ in ENCODINGS]
    chosen = open_tab().page.evaluate(choose, demands)
    for (demand, expected), encoding in zip(ENCODINGS, chosen, strict=True):
        assert encoding.items() >= expected.items(), demand


def holds_once_of_three(measure: Callable[[], None]) -> None:
    """Measure again what did not hold: a machine that stands still for a moment sends too little.

    Whatever does not hold on a machine that goes on never holds.
    """
    for _ in range(2):
        try:
            return measure()
        except AssertionError:
            continue
    return measure()


@pytest.mark.parametrize("stir", ["focus", "suggestion"])
def test_an_idle_camera_sends_little_and_all_at_once_when_somebody_may_ask(
    open_tab: OpenTab, stir: str
):
    tab = open_tab()
    tab.start()
    tab.page.wait_for_timeout(1500)

    def idle() -> None:
        sent = tab.page.evaluate(SENT_PER_SECOND)
        assert 8 <= sent["rate"] <= 12
        assert sent["width"] == 640

    def from_idle_to_asking_and_back() -> None:
        tab.page.mouse.move(0, 0)
        tab.page.evaluate("document.activeElement.blur()")
        if stir == "focus":
            tab.part("question").focus()
        else:
            tab.page.locator("[data-question]").first.hover()
        asking = tab.page.evaluate(SENT_PER_SECOND)
        tab.page.wait_for_timeout(9000)
        assert asking["rate"] > 17
        assert asking["width"] == 640
        assert 8 <= tab.page.evaluate(SENT_PER_SECOND)["rate"] <= 12

    holds_once_of_three(idle)
    holds_once_of_three(from_idle_to_asking_and_back)


def test_live_mode_sends_for_its_rate(open_tab: OpenTab):
    tab = open_tab()
    tab.start()
    tab.say(type="ready", session_id="s", limits={"live_rate": 12}, model="m")

    def live_and_back() -> None:
        tab.part("live-toggle").click()
        tab.page.wait_for_timeout(500)
        live = tab.page.evaluate(SENT_PER_SECOND)["rate"]
        tab.part("live-toggle").click()
        tab.page.wait_for_timeout(500)
        assert live > 15
        assert 8 <= tab.page.evaluate(SENT_PER_SECOND)["rate"] <= 12

    holds_once_of_three(live_and_back)


def test_the_newest_answer_stays_in_sight_and_nothing_moves_while_it_comes(open_tab: OpenTab):
    tab = open_tab(viewport={"width": 390, "height": 844})
    tab.start()
    question = tab.ask("What do you see?")
    tab.page.wait_for_timeout(700)  # A shift soon after a press would not count.
    tab.page.evaluate("""() => {
        window.shift = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.shift += entry.value;
        }).observe({type: "layout-shift"});
    }""")
    for seq in range(1, 60):
        tab.say(type="token", id=question, seq=seq, text=f"word {seq} of a long answer. ")
    tab.page.wait_for_timeout(300)
    bottom = "() => { const m = document.getElementById('messages');"
    bottom += " return m.scrollHeight - m.scrollTop - m.clientHeight; }"
    assert tab.page.evaluate(bottom) < 4
    assert tab.page.evaluate("window.shift") < 0.01
    tab.page.evaluate("document.getElementById('messages').scrollTop = 0")
    expect(tab.part("jump")).to_be_visible()
    tab.say(type="token", id=question, seq=60, text="More.")
    assert tab.page.evaluate("document.getElementById('messages').scrollTop") == 0
    tab.part("jump").click()
    assert tab.page.evaluate(bottom) < 4
    expect(tab.part("jump")).to_be_hidden()


@pytest.mark.parametrize("size", [(320, 568), (390, 844), (844, 390), (820, 1180), (1440, 900)])
def test_all_fits_and_can_be_touched(open_tab: OpenTab, size: tuple[int, int]):
    width, height = size
    tab = open_tab(viewport={"width": width, "height": height})
    tab.start()
    tab.answer(tab.ask("Antidisestablishmentarianism" * 4), "Llanfairpwllgwyngyll" * 20)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    for button in tab.page.get_by_role("button").all():
        box = button.bounding_box()
        if box is None or button.get_attribute("id") == "grip":
            continue
        assert box["width"] >= 44, button.inner_text()
        assert box["height"] >= 44, button.inner_text()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height


def test_the_page_takes_no_files(open_tab: OpenTab):
    tab = open_tab()
    assert tab.page.locator("input[type=file]").count() == 0
