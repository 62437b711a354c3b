"""Puts the doctor's checks together from the settings."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from apps.maintenance.doctor.certificate import check_certificate
from apps.maintenance.doctor.database import database_checks
from apps.maintenance.doctor.findings import Check, ok
from apps.maintenance.doctor.host import check_disk, check_log_file, host_checks
from apps.maintenance.doctor.media import check_ports, check_public_address, relay_checks
from apps.maintenance.doctor.model_server import WantedModel, model_checks
from apps.maintenance.doctor.redis_server import redis_checks
from apps.maintenance.doctor.web import (
    WebAccess,
    check_access,
    check_django,
    check_secrets,
    check_static_files,
)

# The share of a check's time that its own timeouts get: less than all of it, so that it still says
# what did not answer before the check as a whole is given up.
_STEP_SHARE = 0.85
_GROUPS = ("Host", "Settings", "Database", "Redis", "Workers", "Model", "Streams")


def all_checks(*, timeout: float) -> list[Check]:
    """Every check of this platform, by group; each must end within `timeout` seconds."""
    step_timeout = _STEP_SHARE * timeout
    wanted = WantedModel(
        name=settings.MODEL_NAME, context=settings.MODEL_MAX_TOKENS, api_key=settings.VLLM_API_KEY
    )
    checks = [
        *host_checks(settings.BASE_DIR),
        Check(group="Host", name="disk", run=lambda: check_disk(_written_folders())),
        Check(group="Host", name="log file", run=lambda: check_log_file(_log_file())),
        Check(group="Settings", name="settings", run=lambda: ok("complete and well-formed")),
        *_web_checks(),
        *redis_checks(settings.REDIS_URL, timeout=step_timeout),
        *database_checks(),
        *model_checks(settings.VLLM_BASE_URLS, wanted=wanted, timeout=step_timeout),
        *_stream_checks(step_timeout),
    ]
    return sorted(checks, key=lambda check: _GROUPS.index(check.group))


def _web_checks() -> list[Check]:
    checks = {
        "hosts and HTTPS": lambda: check_access(_access()),
        "certificate": lambda: check_certificate(
            *_certificate_paths(), hosts=settings.ALLOWED_HOSTS, now=datetime.now(UTC)
        ),
        "secrets": lambda: check_secrets(
            {
                "DJANGO_SECRET_KEY": settings.SECRET_KEY,
                "JWT_SECRET_KEY": settings.JWT_SECRET_KEY,
            },
            turn_secret=settings.TURN_SECRET,
        ),
        "static files": check_static_files,
        "Django's checks": check_django,
    }
    return [Check(group="Settings", name=name, run=check) for name, check in checks.items()]


def _stream_checks(step_timeout: float) -> list[Check]:
    return [
        *relay_checks(settings.ICE_SERVERS, turn_secret=settings.TURN_SECRET, timeout=step_timeout),
        Check(
            group="Streams",
            name="port range",
            run=lambda: check_ports(settings.ICE_PORT_RANGE, sessions=settings.MAX_SESSIONS),
        ),
        Check(
            group="Streams",
            name="public address",
            run=lambda: check_public_address(settings.ICE_PUBLIC_ADDRESS),
        ),
    ]


def _certificate_paths() -> tuple[str, str]:
    # Read by scripts/start_web_server.sh, so they are in the environment only.
    return os.environ.get("SSL_CERT_PATH", ""), os.environ.get("SSL_KEY_PATH", "")


def _access() -> WebAccess:
    return WebAccess(
        hosts=settings.ALLOWED_HOSTS,
        https=settings.HTTPS_ENABLED,
        own_certificate=any(_certificate_paths()),
        behind_proxy=settings.SECURE_PROXY_SSL_HEADER is not None,
    )


def _log_file() -> str:
    return str(settings.LOGGING["handlers"].get("file", {}).get("filename", ""))


def _written_folders() -> Iterable[Path]:
    folders = [Path(_log_file()).resolve().parent] if _log_file() else []
    if connection.vendor == "sqlite" and Path(connection.settings_dict["NAME"]).is_file():
        folders.append(Path(connection.settings_dict["NAME"]).resolve().parent)
    return dict.fromkeys(folders)
