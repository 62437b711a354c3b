"""A bare client of the model server: the same requests as the platform's, and nothing else."""

import asyncio
import json
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any
from uuid import uuid4

import cv2
import httpx
import simplejpeg

from apps.inference.prompts import PromptBudget, build_messages
from deploy.benchmark.pictures import scene

SYSTEM_PROMPT = "You see what the camera sees now."
ANSWER_TOKENS = 128

Usage = dict[str, int]
"""`prompt_tokens` and `completion_tokens` of one answer."""


class _Frame:
    """A picture as the platform sends one."""

    def __init__(self, *, step: int) -> None:
        rgb = cv2.cvtColor(scene(448, 252, step=step), cv2.COLOR_YUV2RGB_I420)
        self.jpeg = bytes(simplejpeg.encode_jpeg(rgb, quality=80, colorspace="RGB"))
        self.width, self.height = 448, 252
        self.uuid = uuid4().hex


def _messages(mark: str, *, step: int) -> list[dict[str, Any]]:
    return build_messages(
        f"What do you see? [{mark}]",
        frame=_Frame(step=step),
        system_prompt=SYSTEM_PROMPT,
        history=[],
        budget=PromptBudget(context_tokens=4096, response_tokens=ANSWER_TOKENS),
    )


def rate(usages: Sequence[Usage], *, seconds: float) -> dict[str, float]:
    """Return the tokens of answers that came over `seconds`, a second, and the requests' sizes."""
    answered = sum(usage["completion_tokens"] for usage in usages)
    asked = sum(usage["prompt_tokens"] for usage in usages)
    return {
        "tokens_per_second": round(answered / seconds, 2),
        "answers": len(usages),
        "tokens_an_answer": round(answered / len(usages), 1),
        "tokens_a_prompt": round(asked / len(usages), 1),
    }


async def ask(model_url: str, *, name: str, clients: int, requests: int) -> dict[str, float]:
    """Return the rate that `clients` get together, `requests` each, one after the other.

    The questions are marked as a crowd of that `name` marks them, so that they are as long.
    """
    async with httpx.AsyncClient(timeout=600, trust_env=False) as http:
        models = (await http.get(f"{model_url}/models")).json()
        model = models["data"][0]["id"]
        bodies = [
            [_body(model, f"{name}-{client}-{n}", step=client + n) for n in range(requests)]
            for client in range(clients)
        ]
        began = time.monotonic()
        usages = await asyncio.gather(*(_ask_all(http, model_url, each) for each in bodies))
        return rate([*chain(*usages)], seconds=time.monotonic() - began)


def _body(model: str, mark: str, *, step: int) -> dict[str, Any]:
    return {
        "model": model,
        "messages": _messages(mark, step=step),
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def _ask_all(
    http: httpx.AsyncClient, model_url: str, bodies: list[dict[str, Any]]
) -> list[Usage]:
    usages: list[Usage] = []
    for body in bodies:
        async with http.stream("POST", f"{model_url}/chat/completions", json=body) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    usage = json.loads(line[6:]).get("usage")
                    usages += [usage] if usage else []
    return usages
