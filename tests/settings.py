"""The platform's own settings with throw-away keys; Redis and the database come from fixtures."""

import json
import os
import secrets
import tempfile

os.environ.setdefault("DJANGO_SECRET_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("JWT_SECRET_KEY", secrets.token_urlsafe(48))
# As the user has it: what a platform that a test starts may see. The processes that pytest-xdist
# starts inherit what is set below, so the first one hands its own on to them.
_HANDED_ON = "QWENCAM_TEST_USER_ENVIRONMENT"
USER_ENVIRONMENT: dict[str, str] = json.loads(
    os.environ.setdefault(_HANDED_ON, json.dumps(dict(os.environ)))
)
# pytest-django names these settings there: a platform that a test starts has its own.
USER_ENVIRONMENT.pop("DJANGO_SETTINGS_MODULE", None)

SCRATCH = tempfile.mkdtemp()
os.environ.setdefault("DATABASE_URL", f"sqlite:///{SCRATCH}/db.sqlite3")
os.environ.setdefault("STATIC_ROOT", SCRATCH)
# No server listens here: a test that needs Redis or vLLM asks for the fixture.
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")
os.environ.setdefault("VLLM_BASE_URL", "http://127.0.0.1:1/v1")
os.environ.setdefault("ALLOWED_HOSTS", "localhost,127.0.0.1,testserver")
os.environ.setdefault("LOG_LEVEL", "WARNING")
# For tests that import onnxruntime themselves; the platform sets it where it does.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from qwencam_site.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
