"""``python3 -m deploy.docker.digests``: pins the images of a Compose project to what they are now.

Reads what ``docker compose config --format json`` prints, asks each image's registry which manifest
its tag stands for, and prints a Compose file that names the same images by digest. A pinned image
stays the one that was tried, whatever is published under its tag later. Needs the standard library
only, so it runs on hosts that have nothing but Docker.
"""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

_HUB: Final = "docker.io"
_HUB_REGISTRY: Final = "registry-1.docker.io"
_KINDS: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ANSWER_SECONDS: Final = 30.0
_BASE: Final = "BASE"
"""The build argument that names the image that ours is built on."""


class PinError(Exception):
    """An image can't be pinned; the message is a sentence."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by registry, repository and tag, such as docker.io, library/redis and 7.2.8."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return what a name in a Compose file stands for, as Docker reads it; a digest is dropped.

        Raises:
            PinError: it has no tag, so nobody knows which version is meant.
        """
        rest = name.partition("@")[0]
        first, slash, others = rest.partition("/")
        elsewhere = slash and ("." in first or ":" in first or first == "localhost")
        registry, path = (first, others) if elsewhere else (_HUB, rest)
        repository, _, tag = path.partition(":")
        if not tag or tag == "latest":
            raise PinError(f"{name} names no version: give it a tag other than latest.")
        if registry == _HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry=registry, repository=repository, tag=tag)

    @property
    def name(self) -> str:
        """Its whole name, without digest."""
        return f"{self.registry}/{self.repository}:{self.tag}"

    @property
    def url(self) -> str:
        """Where its registry has its manifest. Plain HTTP on this machine only, as with Docker."""
        host = _HUB_REGISTRY if self.registry == _HUB else self.registry
        local = host.partition(":")[0] in {"localhost", "127.0.0.1"}
        scheme = "http" if local else "https"
        return f"{scheme}://{host}/v2/{self.repository}/manifests/{self.tag}"


def digest_of(image: Image) -> str:
    """Return the digest of the manifest that the tag stands for now: ``sha256:`` and 64 digits.

    Raises:
        PinError: the registry can't be asked, does not know it, or contradicts itself.
    """
    manifest, claimed = _manifest(image)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    if claimed and claimed != digest:
        raise PinError(f"{image.name}: the registry sent another manifest than it says.")
    return digest


def _manifest(image: Image) -> tuple[bytes, str]:
    headers = {"Accept": ", ".join(_KINDS)}
    try:
        return _get(image.url, headers)
    except HTTPError as error:
        if error.code != 401:
            raise PinError(f"{image.name}: the registry answers {error.code}.") from error
        challenge = error.headers.get("WWW-Authenticate", "")
    except OSError as error:
        raise PinError(f"{image.name}: the registry can't be reached ({error}).") from error
    try:
        return _get(image.url, {**headers, "Authorization": f"Bearer {_token(challenge)}"})
    except (OSError, ValueError, KeyError) as error:
        raise PinError(f"{image.name}: the registry lets nobody read it ({error}).") from error


def _token(challenge: str) -> str:
    """Return an anonymous reader's token, as the registry's refusal says where to get one."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
    answer = json.loads(_get(f"{fields['realm']}?{query}", {})[0])
    token: str = answer.get("token") or answer["access_token"]
    return token


def _get(url: str, headers: Mapping[str, str]) -> tuple[bytes, str]:
    request = Request(url, headers=dict(headers))  # noqa: S310 -- https, or this machine
    with urlopen(request, timeout=_ANSWER_SECONDS) as reply:  # noqa: S310
        return reply.read(), reply.headers.get("Docker-Content-Digest", "")


def pinned(project: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Compose file that goes over ``project`` and names each image by digest.

    What is built here is not pinned, but what it is built on.

    Raises:
        PinError: one can't be.
    """
    found: dict[str, str] = {}

    def pin(name: str) -> str:
        if name not in found:
            image = Image.parse(name)
            found[name] = f"{image.name}@{digest_of(image)}"
        return found[name]

    services: dict[str, Any] = {}
    for service, settings in project["services"].items():
        build = settings.get("build")
        if build is None:
            services[service] = {"image": pin(settings["image"])}
        elif _BASE in build.get("args", {}):
            services[service] = {"build": {"args": {_BASE: pin(build["args"][_BASE])}}}
    return {"services": services}


def main() -> None:
    """Pin the project on standard input.

    Raises:
        SystemExit: with one sentence, if that is impossible.
    """
    try:
        result = pinned(json.load(sys.stdin))
    except PinError as error:
        sys.exit(str(error))
    print(json.dumps(result, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
