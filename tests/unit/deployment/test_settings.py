"""Settings have one source: what our programs read.

Guards: a name in env.example, a unit, Compose or a document that nothing reads; a setting that
env.example does not list, or with another default than the code's; a secret that a unit does not
hand over; a production example that leaves out what has no good default.
"""

import json
import os
import re
import subprocess
import sys

import pytest

from deploy.models.serving import ServeSettings
from tests.unit.deployment.named_settings import (
    DEPLOY,
    ROOT,
    compose_files,
    compose_services,
    example,
    image_environment,
    interpolated,
    interpolation_defaults,
    python_files,
    reads_of_python,
    reads_of_shell,
    secrets_of_python,
    service_environment,
    shell_files,
    tokens,
    unit_environment,
    unit_lines,
    units,
    written_by,
)

# Read by others than us: where it is named, it has its effect.
READ_BY_OTHERS = {
    "HOME": "each program",
    "PATH": "each program",
    "PYTHONDONTWRITEBYTECODE": "Python",
    "PYTHONUNBUFFERED": "Python",
    "COMPOSE_FILE": "Compose",
    "COMPOSE_PROFILES": "Compose",
    "SSL_CERT_FILE": "OpenSSL",
}
# Named in documents, and not settings.
CAPABILITIES = {"NET_BIND_SERVICE", "SYS_PTRACE"}
# Read from the environment, but for nobody to set in production.
NOT_FOR_OPERATORS = {
    "DATA_DIR": "the quickstart's, in its --help",
    "DEMO_USER": "the quickstart's, in its --help",
    "DEMO_PASSWORD": "the quickstart's, in its --help",
    "DJANGO_SETTINGS_MODULE": "Django's",
    "NOTIFY_SOCKET": "systemd's",
    "OMP_NUM_THREADS": "OpenMP's",
    "ORT_DISABLE_TELEMETRY": "ONNX Runtime's, set by us",
    "PYTHON": "the scripts': which interpreter",
    "REMOTE_ADDR": "of a request, not of the environment",
    "VLLM_CPU_KVCACHE_SPACE": "vLLM's own",
    "VLLM_PYTHON": "the scripts': which interpreter",
}
# Where an address of this machine is right in production, too.
LOCAL_ON_PURPOSE = {
    "HOST": "nginx is in front",
    "VLLM_HOST": "nobody else may ask the model server",
    "METRICS_ALLOW": "Prometheus is on the host, or is named",
    "WORKER_METRICS_HOST": "as METRICS_ALLOW",
    "EMAIL_HOST": "for mail only, as EMAIL_BACKEND",
    "DEFAULT_FROM_EMAIL": "for mail only, as EMAIL_BACKEND",
}
DOCUMENTS = [
    *(ROOT / f"{name}.md" for name in ("README", "DEPLOY", "SECURITY", "BENCHMARKS", "CHANGELOG")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(DEPLOY.rglob("*.md")),
]
KEYS = {"DJANGO_SECRET_KEY": "cookies-" + "a" * 50, "JWT_SECRET_KEY": "tokens-" + "b" * 50}

PLATFORM = python_files("qwencam_site", "apps")
SERVERS = reads_of_python(
    [*PLATFORM, *(DEPLOY / "models" / name for name in ("serve.py", "serving.py"))]
) | reads_of_shell(ROOT / "scripts" / f"start_{name}_server.sh" for name in ("web", "vllm"))
CONTAINERS = reads_of_python(sorted((DEPLOY / "docker").glob("*.py"))) | {
    name for file in compose_files() for name in interpolated(file)
}
EXISTING = (
    reads_of_python(python_files("qwencam_site", "apps", "deploy", "scripts"))
    | reads_of_shell(shell_files("scripts", "deploy"))
    | CONTAINERS
    | READ_BY_OTHERS.keys()
)
SECRETS = secrets_of_python(PLATFORM)
EXAMPLE = example(ROOT / "env.example")
PRODUCTION = example(DEPLOY / "production.env.example")


def test_the_sources_are_understood():
    """Should another way of reading settings come into use, the rest would compare nothing."""
    assert {"ALLOWED_HOSTS", "SYSTEM_PROMPT", "HSTS_SECONDS", "REDIS_URL"} <= SERVERS
    assert {"PROXY_HEADERS", "SSL_CERT_PATH", "TENSOR_PARALLEL_SIZE", "VLLM_DEVICE"} <= SERVERS
    assert {"JWT_SECRET_KEY", "DATABASE_URL", "TURN_SECRET"} <= SECRETS
    assert {"VLLM_BASE_URL", "FRAME_MAX_EDGE"} <= tokens((ROOT / "DEPLOY.md").read_text())
    assert len(units()) >= 5


# --- env.example ----------------------------------------------------------------------------------


def test_the_example_lists_every_setting_and_nothing_else():
    of_files = {f"{name}_FILE" for name in SECRETS}
    assert EXAMPLE.keys() == (SERVERS | CONTAINERS) - of_files - NOT_FOR_OPERATORS.keys()


def test_the_example_names_the_files_of_secrets():
    head = (ROOT / "env.example").read_text().split("\n\n")[0]
    assert {name for name in tokens(head) if name.endswith("_FILE")} == {
        f"{name}_FILE" for name in SECRETS
    }


def test_the_example_has_the_platforms_own_defaults():
    assert platform_settings(EXAMPLE | KEYS) == platform_settings(KEYS)


def platform_settings(environment: dict[str, str]) -> dict[str, str]:
    """Return the platform's settings in that environment, without any .env."""
    program = (
        "import environ, json; environ.Env.read_env = lambda *_: None; "
        "import qwencam_site.settings as all; "
        "print(json.dumps({name: repr(getattr(all, name)) for name in dir(all) if name.isupper()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # Objects that print their address are compared by the rest of what they print.
    found: dict[str, str] = json.loads(re.sub(r" at 0x[0-9a-f]+", "", done.stdout))
    assert "ALLOWED_HOSTS" in found
    return found


def test_the_example_has_the_model_servers_own_defaults():
    assert ServeSettings.from_environment(EXAMPLE) == ServeSettings.from_environment({})


# --- Production -----------------------------------------------------------------------------------


def test_the_production_example_names_settings_that_exist():
    assert PRODUCTION.keys() <= EXAMPLE.keys()


def test_the_production_example_says_what_has_no_good_default():
    local = {
        name
        for name, default in EXAMPLE.items()
        if any(host in default for host in ("localhost", "127.0.0.1", "[::1]"))
    }
    keys = {"DJANGO_SECRET_KEY", "JWT_SECRET_KEY"}
    # By default: SQLite in the checkout, HTTP without a proxy, the demo's model, any UDP port.
    rest = {"DATABASE_URL", "HTTPS_ENABLED", "BEHIND_PROXY", "PROXY_HEADERS", "MODEL_NAME"}
    rest |= {"MODEL_MAX_TOKENS", "ICE_PORT_RANGE"}
    assert LOCAL_ON_PURPOSE.keys() <= local
    assert local - LOCAL_ON_PURPOSE.keys() | keys | rest <= PRODUCTION.keys()


def test_the_guide_explains_what_production_must_say():
    assert PRODUCTION.keys() <= tokens((ROOT / "DEPLOY.md").read_text())


# --- Units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.stem)
def test_a_unit_sets_what_exists(unit):
    assert unit_environment(unit).keys() <= EXISTING


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.stem)
def test_a_units_secrets_are_read_where_they_lie(unit):
    handed = {line.split(":")[0] for line in unit_lines(unit, "LoadCredential")}
    files = {
        name.removesuffix("_FILE"): path
        for name, path in unit_environment(unit).items()
        if name.endswith("_FILE")
    }
    assert files.keys() == handed & SECRETS
    assert files == {name: f"%d/{name}" for name in files}


@pytest.mark.parametrize("role", ["qwen-webrtc@", "qwen-worker"])
def test_those_who_answer_get_every_secret(role):
    handed = unit_lines(DEPLOY / "systemd" / f"{role}.service", "LoadCredential")
    assert {line.split(":")[0] for line in handed} == SECRETS


def test_the_installer_writes_what_exists():
    script = DEPLOY / "install" / "settings.sh"
    of_its_own = {name for name in written_by(script) if name.startswith(("INSTALLED_", "MADE_"))}
    assert {"ALLOWED_HOSTS", "PUBLIC_URL", "MODEL_PATH"} <= written_by(script)
    assert written_by(script) - of_its_own <= EXISTING


def test_the_installer_keeps_every_secret_in_a_file():
    (line,) = (
        line
        for line in (DEPLOY / "install" / "settings.sh").read_text().splitlines()
        if line.startswith("SECRETS=(")
    )
    assert set(line.removeprefix("SECRETS=(").removesuffix(")").split()) == SECRETS


# --- Containers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "service", [pytest.param(service, id=name) for name, service in compose_services()]
)
def test_a_container_is_given_what_exists(service):
    assert service_environment(service) <= EXISTING


@pytest.mark.parametrize(
    "file", sorted((DEPLOY / "docker").glob("Dockerfile*")), ids=lambda file: file.name
)
def test_an_image_sets_what_exists(file):
    assert image_environment(file) <= EXISTING


@pytest.mark.parametrize("file", compose_files(), ids=lambda file: file.name)
def test_the_example_has_composes_own_defaults(file):
    of_compose = interpolation_defaults(file)
    limits = {"DRAIN_SECONDS", "MODEL_TIMEOUT_SECONDS"}
    listed = {name: EXAMPLE[name] for name in of_compose.keys() - (SERVERS - limits)}
    assert {name: of_compose[name] or listed[name] for name in listed} == listed


@pytest.mark.parametrize(
    "script", sorted((DEPLOY / "docker").glob("prepare.sh")), ids=lambda file: file.name
)
def test_what_compose_is_prepared_with_exists(script):
    assert "ALLOWED_HOSTS" in written_by(script)
    assert written_by(script) <= EXISTING


# --- Documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_document_names_what_exists(document):
    assert tokens(document.read_text()) - CAPABILITIES <= EXISTING
