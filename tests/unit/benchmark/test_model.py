"""The stand-in finds the mark and the timecode in requests as the platform builds them."""

import numpy as np
import simplejpeg

from apps.frames.types import EncodedFrame
from apps.inference.prompts import PromptBudget, build_messages
from deploy.benchmark import timecode
from deploy.benchmark.model import mark_of, painted_code


def request(question: str, luma: np.ndarray) -> dict:
    rgb = np.ascontiguousarray(np.repeat(luma[:, :, None], 3, axis=2))
    frame = EncodedFrame(
        jpeg=simplejpeg.encode_jpeg(rgb, quality=80, colorspace="RGB"),
        width=luma.shape[1],
        height=luma.shape[0],
        captured_at=0.0,
        uuid="0" * 32,
    )
    budget = PromptBudget(context_tokens=4096, response_tokens=128)
    return {
        "messages": build_messages(
            question, frame=frame, system_prompt="See.", history=[], budget=budget
        )
    }


def test_mark_and_timecode_are_read():
    luma = np.full((252, 448), 100, dtype=np.uint8)
    timecode.paint(luma, 7_654_321)
    asked = request("What do you see? [asking-3]", luma)
    assert mark_of(asked) == "asking-3"
    assert painted_code(asked) == 7_654_321


def test_a_question_without_a_mark_and_a_picture_without_a_code_are_no_error():
    asked = request("What do you see?", np.full((252, 448), 100, dtype=np.uint8))
    assert mark_of(asked) == ""
    assert painted_code(asked) is None
