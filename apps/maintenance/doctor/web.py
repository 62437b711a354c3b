"""Checks of the web settings: hosts, HTTPS, secrets, static files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core import checks

from apps.maintenance.doctor.findings import Finding, failed, ok, skipped, warning

_LOCAL: Final = {"localhost", "127.0.0.1", "[::1]", "::1"}
_FEWEST_SIGNS: Final = 10
_SHORTEST_TURN_SECRET: Final = 16
_MOST_NAMED: Final = 3
_COLLECT: Final = "Run manage.py collectstatic --noinput."


@dataclass(frozen=True, kw_only=True)
class WebAccess:
    """How browsers reach the platform, by its settings.

    Attributes:
        own_certificate: this process serves HTTPS itself.
        behind_proxy: X-Forwarded-Proto is believed.
    """

    hosts: Collection[str]
    https: bool
    own_certificate: bool
    behind_proxy: bool


def check_access(access: WebAccess) -> Finding:
    """Do ALLOWED_HOSTS and the HTTPS settings go together?"""
    local_only = set(access.hosts) <= _LOCAL
    found = f"{', '.join(access.hosts)} over {'HTTPS' if access.https else 'HTTP'}"
    if not access.hosts:
        return failed("No host.", mend="Put the names that browsers use into ALLOWED_HOSTS.")
    if access.https and not (access.own_certificate or access.behind_proxy):
        return failed(
            f"{found}, but nothing serves HTTPS: browsers are redirected in circles.",
            mend="Set SSL_CERT_PATH and SSL_KEY_PATH, or BEHIND_PROXY=true behind a proxy.",
        )
    if access.own_certificate and not access.https:
        return warning(found, mend="Set HTTPS_ENABLED=true: there is a certificate.")
    if "*" in access.hosts:
        return warning(found, mend="Name the hosts in ALLOWED_HOSTS instead of *.")
    if not access.https and not local_only:
        return warning(
            found, mend="Serve HTTPS: elsewhere than on localhost browsers give no camera to HTTP."
        )
    if access.https and local_only:
        return warning(found, mend="Put the public name into ALLOWED_HOSTS.")
    return ok(found)


def check_secrets(keys: Mapping[str, str], *, turn_secret: str) -> Finding:
    """Are the signing keys random enough, and all secrets different?

    Nothing of a secret is ever shown.
    """
    for name, value in keys.items():
        if len(set(value)) < _FEWEST_SIGNS:
            return failed(
                f"{name} has only {len(set(value))} different characters.",
                mend="Make it with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'.",
            )
    every = [*keys.values(), *([turn_secret] if turn_secret else [])]
    if len(set(every)) < len(every):
        return failed("Two secrets are the same.", mend="Give each secret a text of its own.")
    if turn_secret and len(turn_secret) < _SHORTEST_TURN_SECRET:
        return warning(
            f"TURN_SECRET has {len(turn_secret)} characters.",
            mend=f"Give it {_SHORTEST_TURN_SECRET} random characters or more, here and in coturn.",
        )
    lengths = ", ".join(f"{name} {len(value)}" for name, value in keys.items())
    return ok(f"characters: {lengths}")


def check_static_files() -> Finding:
    """Are all static files collected, as they are now?"""
    if not isinstance(staticfiles_storage, ManifestFilesMixin):
        return skipped("Static files are not served under hashed names.")
    root, manifest = Path(settings.STATIC_ROOT), cast("Any", staticfiles_storage).read_manifest()
    if not manifest:
        return failed(f"Nothing is collected in {root}.", mend=_COLLECT)
    sources = _sources()
    missing = [name for name in sources if not (root / name).is_file()]
    if missing:
        return failed(f"Not collected: {_listed(missing)}", mend=_COLLECT)
    stale = [
        name
        for name, source in sources.items()
        if (root / name).read_bytes() != source.read_bytes()
    ]
    if stale:
        return failed(
            f"Older than the code: {_listed(stale)}",
            mend=f"{_COLLECT[:-1]} and restart the web process.",
        )
    return ok(f"{len(sources)} files in {root}")


def _sources() -> dict[str, Path]:
    """Every static file by its name; of several with the same name the first counts."""
    found: dict[str, Path] = {}
    for finder in get_finders():
        for name, storage in finder.list([]):
            found.setdefault(name, Path(cast("Any", storage).path(name)))
    return found


def check_django() -> Finding:
    """Do Django's own checks find anything?"""
    found = checks.run_checks(include_deployment_checks=settings.HTTPS_ENABLED)
    messages = [message for message in found if not message.is_silenced()]
    serious = [message for message in messages if message.level >= checks.ERROR]
    if serious:
        return failed(_first(serious), mend="Run manage.py check --deploy for all of it.")
    doubts = [message for message in messages if message.level >= checks.WARNING]
    if doubts:
        return warning(_first(doubts), mend="Run manage.py check --deploy for all of it.")
    return ok("nothing to complain about")


def _first(messages: Sequence[checks.CheckMessage]) -> str:
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return f"{messages[0].id}: {messages[0].msg}{more}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
