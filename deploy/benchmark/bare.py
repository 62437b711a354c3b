"""A bare client of the model server: the same requests as the platform's, and nothing else."""

import asyncio
import base64
import json
import time
from typing import Any

import cv2
import httpx
import simplejpeg

from apps.inference.prompts import PromptBudget, build_messages
from deploy.benchmark.pictures import scene


class _Frame:
    """A picture as the platform sends one."""

    def __init__(self, number: int) -> None:
        rgb = cv2.cvtColor(scene(448, 252, step=number), cv2.COLOR_YUV2RGB_I420)
        self.jpeg = bytes(simplejpeg.encode_jpeg(rgb, quality=80, colorspace="RGB"))
        self.width, self.height = 448, 252
        self.uuid = base64.b16encode(number.to_bytes(16, "big")).decode().lower()


def _messages(number: int) -> list[dict[str, Any]]:
    return build_messages(
        f"What do you see? [bare-{number}]",
        frame=_Frame(number),
        system_prompt="You are a helpful assistant.",
        history=[],
        budget=PromptBudget(context_tokens=4096, response_tokens=128),
    )


async def bare_tokens_per_second(model_url: str, *, clients: int, requests: int) -> float:
    """Return what `clients` get together, `requests` each, one after the other."""
    async with httpx.AsyncClient(timeout=120, trust_env=False) as http:
        models = (await http.get(f"{model_url}/models")).json()
        model = models["data"][0]["id"]
        salt = int(time.time()) % 100_000 * 10_000
        bodies = [
            [_body(model, salt + client * requests + n) for n in range(requests)]
            for client in range(clients)
        ]
        began = time.monotonic()
        counts = await asyncio.gather(*(_ask_all(http, model_url, each) for each in bodies))
        return sum(counts) / (time.monotonic() - began)


def _body(model: str, number: int) -> dict[str, Any]:
    return {
        "model": model,
        "messages": _messages(number),
        "max_tokens": 128,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def _ask_all(http: httpx.AsyncClient, model_url: str, bodies: list[dict[str, Any]]) -> int:
    tokens = 0
    for body in bodies:
        async with http.stream("POST", f"{model_url}/chat/completions", json=body) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    usage = json.loads(line[6:]).get("usage") or {}
                    tokens += usage.get("completion_tokens", 0)
    return tokens
