"""The age that an answer claims for its frame, against the time painted into the picture.

Real Chromium sends a canvas that shows the time; the model's stand-in gets the frame, so the very
picture asked about tells when it was painted.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import simplejpeg

from deploy.benchmark import timecode
from deploy.stand_in_model import Script, StandInModel
from tests.e2e.browser import ask, log_in, open_page
from tests.stack import Stack

CAMERA = Path(timecode.__file__).with_name("canvas_camera.js").read_text()


def painted_at(request: dict[str, Any], *, near: float) -> float:
    """Return when the picture in a model request was painted, s since the epoch."""
    parts = request["messages"][-1]["content"]
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    luma = simplejpeg.decode_jpeg(base64.b64decode(url.split(",")[1]), colorspace="GRAY")
    return near - timecode.age_ms(timecode.read(luma[:, :, 0]), at=near) / 1000


def test_the_claimed_age_is_the_true_one(
    light_stack: Stack, stand_in: StandInModel, script: Script
):
    responses: list[dict[str, Any]] = []

    def hear(payload: str | bytes) -> None:
        message = json.loads(payload)
        if message["type"] == "response":
            responses.append(message)

    with open_page() as page:
        page.on("websocket", lambda socket: socket.on("framereceived", hear))
        page.add_init_script(CAMERA)
        log_in(page, light_stack.url)
        page.get_by_test_id("start-camera").click()
        page.wait_for_timeout(9000)  # Two beats, for the round trip, and some sender reports.
        for _ in range(12):
            page.wait_for_timeout(137)
            ask(page, "What do you see?")
    assert len(responses) == len(stand_in.requests) == 12
    errors = []
    for response, request, arrived in zip(
        responses, stand_in.requests, stand_in.arrivals, strict=True
    ):
        painted = painted_at(request, near=arrived)
        errors.append(response["frame"]["captured_at"] - painted * 1000)
        assert arrived - painted < 1
    errors.sort()
    # A canvas hands its picture on with the next screen refresh: some milliseconds are not ours.
    assert errors[len(errors) // 2] == pytest.approx(0, abs=40), errors
    assert all(abs(error) < 120 for error in errors), errors
