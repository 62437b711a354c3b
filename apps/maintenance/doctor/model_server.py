"""Checks of the model servers: there, ours, and with room enough for a conversation."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from apps.maintenance.doctor.clock import http_date_range, judge_clock, skew
from apps.maintenance.doctor.findings import Check, Finding, failed, ok, skipped

_MOST_NAMED: Final = 4


@dataclass(frozen=True, kw_only=True)
class WantedModel:
    """What every server must serve; `context` is tokens."""

    name: str
    context: int
    api_key: str


def model_checks(base_urls: Sequence[str], *, wanted: WantedModel, timeout: float) -> list[Check]:
    """The checks of each server; one that is silent for `timeout` seconds is not there."""
    return [
        Check(
            group=group,
            name=f"{name} {_place(url)}",
            run=partial(check, url, wanted=wanted, timeout=timeout),
            concurrent=True,
        )
        for group, name, check in (
            ("Model", "vLLM", check_model),
            ("Host", "clock of", check_model_clock),
        )
        for url in base_urls
    ]


def _place(base_url: str) -> str:
    """Host and port, without anything that may be secret in a URL."""
    return urlsplit(base_url).netloc.rpartition("@")[2]


def check_model(base_url: str, *, wanted: WantedModel, timeout: float) -> Finding:
    """Does the server answer, and serve the model as configured?"""
    try:
        response = _models(base_url, api_key=wanted.api_key, timeout=timeout)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return failed(
            f"It does not answer ({type(error).__name__}).",
            mend="Start it (scripts/start_vllm_server.sh), or correct VLLM_BASE_URL.",
        )
    if response.status_code in {401, 403}:
        return failed(
            "It refuses the key.", mend="Set VLLM_API_KEY to the key that it was started with."
        )
    try:
        served = {str(model["id"]): model for model in response.json()["data"]}
    except (ValueError, KeyError, TypeError):
        return failed(
            f"Its list of models can't be read (status {response.status_code}).",
            mend="Make VLLM_BASE_URL end in /v1 of an OpenAI-compatible server.",
        )
    return judge_models(served, wanted=wanted)


def judge_models(served: Mapping[str, Mapping[str, Any]], *, wanted: WantedModel) -> Finding:
    """Is the wanted model among the `served` ones, with enough context?"""
    model = served.get(wanted.name)
    if model is None:
        names = ", ".join(list(served)[:_MOST_NAMED]) or "nothing"
        return failed(
            f"It serves {names}, not {wanted.name}.",
            mend="Set MODEL_NAME to what it serves, or start it with that name.",
        )
    context = model.get("max_model_len")
    if not isinstance(context, int):
        return ok(f"serves {wanted.name}; does not tell its context")
    if context < wanted.context:
        return failed(
            f"It serves {wanted.name} with a context of {context} tokens, not {wanted.context}.",
            mend="Lower MODEL_MAX_TOKENS here, or raise it where the server is started.",
        )
    return ok(f"serves {wanted.name} with a context of {context} tokens")


def check_model_clock(base_url: str, *, wanted: WantedModel, timeout: float) -> Finding:
    """Does the server's clock agree with ours?"""
    before = time.time()
    try:
        header = _models(base_url, api_key=wanted.api_key, timeout=timeout).headers["Date"]
        earliest, latest = http_date_range(header)
    except (httpx.HTTPError, httpx.InvalidURL):
        return skipped("The server can't be asked.")
    except (KeyError, ValueError):
        return skipped("The server does not tell the time.")
    ahead = skew(before=before, after=time.time(), earliest=earliest, latest=latest)
    return judge_clock(ahead, of="the model server's clock")


def _models(base_url: str, *, api_key: str, timeout: float) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        return client.get(f"{base_url}/models", headers=headers)
