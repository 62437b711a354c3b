"""Whether a model server is alive."""

from contextlib import AsyncExitStack

import httpx

from apps.inference.transport import http_client

PROBE_SECONDS = 2.0


async def probe(base_url: str, *, client: httpx.AsyncClient | None = None) -> tuple[bool, str]:
    """Asks `GET /health` beside `base_url` (which ends in /v1): (alive, why not).

    A server that answers at all, even with 404, is alive: `/health` is vLLM's, not OpenAI's.
    Never raises, and takes `PROBE_SECONDS` at most for each step of the exchange.
    """
    url = f"{base_url.removesuffix('/v1')}/health"
    async with AsyncExitStack() as owned:
        if client is None:
            client = await owned.enter_async_context(http_client((base_url,)))
        try:
            response = await client.get(url, timeout=PROBE_SECONDS)
        except httpx.TimeoutException:
            return False, "The model server does not answer."
        except (httpx.HTTPError, httpx.InvalidURL):
            return False, "The model server can't be reached."
    if response.status_code >= 500:
        return False, f"The model server says it is unwell ({response.status_code})."
    return True, ""
