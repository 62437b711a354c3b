"""What install.sh is asked for: what can't be done is refused in one sentence before any step.

Guards: two actions of which only the last was done; ports that nobody can listen on, twice the
same, or another service's; options that an action does not look at; no model server at all; a
judgement of the hardware with another context than is served later; a value that becomes a line of
its own in the settings, or that the model server refuses only when everything is installed; folders
that the services can't see or read; a dry run that leaves something behind.
"""

import fcntl
import socket
import stat
from pathlib import Path

import pytest

from deploy.models.serving import ServeSettings
from deploy.models.shape import DTYPE_BYTES
from tests.unit.installation.parts import bash


def refusal(host: Path, lines: str, **environment: str) -> str:
    done = bash(host, lines, **environment)
    assert done.returncode == 1, done.stdout
    assert done.stdout.count("\n") == 1, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--upgrade --uninstall --purge", "--upgrade and --uninstall are two different actions"),
        ("--backup --restore /srv/x", "--backup and --restore are two different actions"),
        ("--restore /srv/x --upgrade", "--restore and --upgrade are two different actions"),
        ("--upgrade --purge", "--purge goes with --uninstall only."),
        (
            "--uninstall --web-ports 8000",
            "--web-ports goes with installing and --upgrade, not with",
        ),
        ("--backup --health-seconds 5", "--health-seconds goes with installing, --upgrade and"),
        ("--restore /srv/x --from /srv/y", "--from goes with installing and --upgrade, not with"),
        ("--prefix /srv/a --prefix /srv/b", "--prefix is given twice"),
        ("--nonsense", "Unknown option '--nonsense'"),
        ("--public-url camera.example.org", "--public-url must look like https://"),
        ("--public-url https://...", "--public-url must look like https://"),
        ("--public-url https://-", "--public-url must look like https://"),
        ("--public-url https://a..b", "--public-url must look like https://"),
        (
            "--public-url https://a.org/camera",
            "--public-url must look like https://camera.example.org",
        ),
        ("--public-url https://[abc]", "--public-url must look like https://"),
        ("--prefix $'/srv/a\\nb'", "--prefix must be one line without control characters."),
        (f"--prefix /srv/{'a' * 300}", "--prefix may have 100 characters at most, not 305."),
        ("--model '/srv/a\"b'", "--model must not begin with a dash, nor have quotes"),
        ("--model /srv/-x", "--model must not begin with a dash, nor have quotes"),
        ("--prefix ''", "--prefix needs a value"),
        ("--model --dry-run", "--model needs a value"),
        ("--web-ports 99999", "--web-ports must be ports such as 8000,8001, not '99999'."),
        ("--web-ports 8000,http", "--web-ports must be ports such as 8000,8001, not '8000,http'."),
        ("--web-ports 8000,,8001", "--web-ports must be ports such as 8000,8001"),
        ("--web-ports 8000,443", "--web-ports must be 1024 or more, not 443"),
        ("--web-ports 8000,8001,8000", "--web-ports names 8000 twice."),
        ("--public-url http://x:70000", "--public-url must have a port from 1 to 65535"),
        ("--vllm tpu", "--vllm must be cpu, cuda, rocm, none or a folder"),
        ("--vllm vllm-environment", "--vllm must be cpu, cuda, rocm, none or a folder"),
        ("--health-seconds 0", "--health-seconds must be a number of seconds"),
    ],
)
def test_options_that_make_no_sense(host: Path, options: str, sentence: str):
    assert sentence in refusal(host, f"read_options {options}")


@pytest.mark.parametrize(
    "options",
    [
        "--upgrade --upgrade --web-ports 8000,8001 --model demo --health-seconds 5",
        "--restore /srv/x --health-seconds 5 --prefix /srv/qwencam --dry-run",
        "--uninstall --purge --prefix /srv/qwencam",
        "--public-url https://camera.example.org/",
        "--public-url http://[2001:db8::5]:8000",
    ],
)
def test_options_that_go_together(host: Path, options: str):
    assert bash(host, f"read_options {options}").returncode == 0


@pytest.mark.parametrize("action", ["upgrade", "backup", "restore", "uninstall"])
def test_what_is_done_with_an_installation_that_was_cut_off(host: Path, action: str):
    asked = f"ACTION={action} check_installed"
    assert bash(host, asked).returncode == 0
    (host / "current").unlink()
    assert "QwenCam is not installed in" in refusal(host, asked)
    (host / "etc/installation").touch()
    assert bash(host, asked).returncode == (0 if action == "uninstall" else 1)


SERVICES = {
    "qwencam.env": "VLLM_PORT=18100\nVLLM_BASE_URL=http://127.0.0.1:18100/v1,http://[::1]:18101/v1\n"
    "WORKER_METRICS_PORT=18200\n",
    "secrets/REDIS_URL": "redis://:a@b@127.0.0.1:16379/0\n",
    "secrets/DATABASE_URL": "postgres://user:pass@localhost/name\n",
}
CHECK = "VLLM=cpu check_request"


@pytest.fixture
def services(host: Path) -> Path:
    """A host on which the other services have their ports."""
    (host / "etc/secrets").mkdir()
    for name, content in SERVICES.items():
        (host / "etc" / name).write_text(content)
    return host


@pytest.mark.parametrize(
    ("port", "whose"),
    [
        (18100, "the model server (VLLM_PORT)"),
        (18101, "a model server (VLLM_BASE_URL)"),
        (18200, "the worker (WORKER_METRICS_PORT)"),
        (16379, "Redis (REDIS_URL)"),
        (5432, "the database (DATABASE_URL)"),
    ],
)
def test_a_port_of_another_service(services: Path, port: int, whose: str):
    asked = f"read_web_ports {port}; ACTION=upgrade {CHECK}"
    assert f"Port {port} can't be a web server's, it is that of {whose}" in refusal(services, asked)


def test_a_port_of_another_program_and_one_of_ours(services: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        asked = f"read_web_ports {port}; {CHECK}"
        assert f"Port {port} is in use by another program" in refusal(services, asked)
        wants = services / "units/qwencam.target.wants"
        wants.mkdir()
        (wants / f"qwen-webrtc@{port}.service").touch()
        assert bash(services, asked).stdout == ""


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"VLLM_PORT": "8200"}, "the model server (VLLM_PORT) and that of the worker (WORKER_MET"),
        (
            {"VLLM_PORT": "6379", "REDIS_URL": "redis://localhost"},
            "the model server (VLLM_PORT) and that of Redis (REDIS_URL)",
        ),
        (
            {"REDIS_URL": "redis://127.0.0.1:8200"},
            "the worker (WORKER_METRICS_PORT) and that of Redis (REDIS_URL)",
        ),
    ],
)
def test_no_two_services_have_one_port(host: Path, environment: dict[str, str], sentence: str):
    (host / "etc/qwencam.env").unlink()
    assert sentence in refusal(host, f"MODEL=demo; {CHECK}", **environment)


def test_the_model_servers_port_is_no_web_servers(host: Path):
    (host / "etc/qwencam.env").unlink()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        asked = f'WEB_PORTS="{taken + 1} {taken + 2}"; port_of_ours {taken}'
        assert int(bash(host, asked).stdout) > taken + 2
        asked = f"VLLM_PORT={taken} MODEL=demo; {CHECK}"
        assert f"Port {taken} is in use by another program" in refusal(host, asked)


def test_without_a_model_server_of_ours_another_is_named(host: Path):
    env = host / "etc/qwencam.env"
    env.unlink()
    refused = refusal(host, "check_request")
    assert "say where one is, VLLM_BASE_URL=http://gpu-host:8100/v1" in refused
    elsewhere = {"VLLM_BASE_URL": "http://gpu-host:8100/v1", "MODEL_NAME": "theirs"}
    done = bash(host, "check_request; cat $SCRATCH/settings", **elsewhere)
    assert "VLLM_BASE_URL=http://gpu-host:8100/v1\n" in done.stdout
    assert "MODEL_NAME=theirs\n" in done.stdout
    assert "PUBLIC_URL=http://localhost:8000\n" in done.stdout
    # Our own server is taken away, and the settings still name it.
    env.write_text("VLLM_PORT=8100\nVLLM_BASE_URL=http://127.0.0.1:8100/v1\n")
    refused = refusal(host, "INSTALLED_VLLM=cpu; check_request")
    assert "--vllm none starts no model server" in refused
    done = bash(host, "INSTALLED_VLLM=cpu; check_request; cat $SCRATCH/settings", **elsewhere)
    assert done.stdout == "VLLM_PORT=8100\nVLLM_BASE_URL=http://gpu-host:8100/v1\n"
    # And the way back.
    env.write_text(done.stdout)
    done = bash(host, "INSTALLED_VLLM=none VLLM=cpu; check_request; cat $SCRATCH/settings")
    assert done.stdout == "VLLM_PORT=8100\nVLLM_BASE_URL=http://127.0.0.1:8100/v1\n"


@pytest.mark.parametrize(
    ("lines", "environment", "sentence"),
    [
        (CHECK, {"DATABASE_URL": "mysql://a"}, "DATABASE_URL must look like postgres://"),
        (CHECK, {"DATABASE_URL": "sqlite:////srv/x"}, "DATABASE_URL must name a file in"),
        (CHECK, {"REDIS_URL": "localhost:6379"}, "REDIS_URL must look like redis://"),
        (CHECK, {"VLLM_BASE_URL": "http://a/v1,b"}, "VLLM_BASE_URL must look like http://gpu-host"),
        (CHECK, {"VLLM_BASE_URL": "http://a/v1 http://b/v1"}, "VLLM_BASE_URL must look like http:"),
        (CHECK, {"VLLM_PORT": "65536"}, "VLLM_PORT must be a port from 1024 to 65535, not '65536'"),
        (CHECK, {"VLLM_PORT": "80"}, "VLLM_PORT must be a port from 1024 to 65535, not '80'"),
        (CHECK, {"MODEL_MAX_TOKENS": "8k"}, "MODEL_MAX_TOKENS must be a whole number from 512 to"),
        (CHECK, {"MODEL_MAX_TOKENS": "10"}, "MODEL_MAX_TOKENS must be a whole number from 512 to"),
        (CHECK, {"MODEL_MAX_TOKENS": "9" * 9}, "MODEL_MAX_TOKENS must be a whole number from 512"),
        (CHECK, {"MODEL_DTYPE": "foo"}, "MODEL_DTYPE must be auto, bfloat16, float16 or float32"),
        (CHECK, {"GPU_MEMORY_UTILIZATION": "x"}, "GPU_MEMORY_UTILIZATION must be above 0 and at"),
        (CHECK, {"GPU_MEMORY_UTILIZATION": "7"}, "GPU_MEMORY_UTILIZATION must be above 0 and at"),
        (CHECK, {"GPU_MEMORY_UTILIZATION": "0.0"}, "GPU_MEMORY_UTILIZATION must be above 0 and"),
        (CHECK, {"TENSOR_PARALLEL_SIZE": "1025"}, "TENSOR_PARALLEL_SIZE must be a whole number"),
        (CHECK, {"TENSOR_PARALLEL_SIZE": "2"}, "TENSOR_PARALLEL_SIZE must be 1 without a GPU"),
        (CHECK, {"MODEL_NAME": "a b\nc"}, "MODEL_NAME must be one line without control characters"),
        (CHECK, {"MODEL_NAME": "-x"}, "MODEL_NAME must not begin with a dash, nor have quotes"),
        (CHECK, {"MODEL_NAME": 'a"b'}, "MODEL_NAME must not begin with a dash, nor have quotes"),
        (CHECK, {"DATABASE_URL": "postgres://a\n"}, "DATABASE_URL must be one line without"),
        (CHECK, {"VLLM_API_KEY": "a\tb"}, "VLLM_API_KEY must be one line without control"),
        ("VLLM=cuda VLLM_OPTION=cuda DEVICES=$T check_request", {}, "--vllm cuda needs an NVIDIA"),
        ("VLLM=rocm VLLM_OPTION=rocm DEVICES=$T check_request", {}, "--vllm rocm needs an AMD GPU"),
        (f"ACTION=upgrade {CHECK}", {"TURN_SECRET": "s"}, "--upgrade changes no secrets"),
        ("MODEL=demo check_request", {}, "--model is what vLLM serves here, and none is started"),
        ("VLLM=$T check_request", {}, "--vllm names a folder without bin/python"),
        ("ENVIRONMENT=$T check_request", {}, "--environment has no Python that imports"),
        ("VLLM=cpu MODEL=/srv/absent check_request", {}, "/srv/absent/config.json is missing"),
    ],
)
def test_what_cannot_be_done(host: Path, lines: str, environment: dict[str, str], sentence: str):
    assert sentence in refusal(host, lines, **environment)


@pytest.mark.parametrize(
    "file", ["/../../etc/x", "/a/../../x", "/%2e%2e/x", "/../data-of-another", "/"]
)
def test_a_database_is_in_the_data_folder(host: Path, file: str):
    refused = refusal(host, CHECK, DATABASE_URL=f"sqlite:///{host}/data{file}")
    assert f"DATABASE_URL must name a file in {host}/data" in refused
    named = f"sqlite:///{host}/data/own/../db.sqlite3?timeout=5"
    assert bash(host, CHECK, DATABASE_URL=named).returncode == 0


@pytest.mark.parametrize("value", ["0.9", ".5", "1", "1.0", "0.90"])
@pytest.mark.parametrize("dtype", ["auto", *DTYPE_BYTES])
def test_settings_of_the_model_server_are_taken_as_it_takes_them(
    host: Path, value: str, dtype: str
):
    given = {"GPU_MEMORY_UTILIZATION": value, "MODEL_DTYPE": dtype, "MODEL_MAX_TOKENS": "512"}
    assert ServeSettings.from_environment(given).utilization == value
    assert bash(host, CHECK, **given).stdout == ""


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("/tmp/model", "/tmp/model"),
        ("/srv/../root/model", "/root/model"),
        # Links that every Linux has.
        ("/proc/self/root/var/tmp/model", "/var/tmp/model"),
        ("/home/somebody", "/home/somebody"),
        ("/run/user/0/model", "/run/user/0/model"),
        ("/srv/model", ""),
    ],
)
def test_folders_are_where_the_services_see_them(host: Path, path: str, hidden: str):
    asked = f"need_visible --model {path}"
    if hidden:
        assert refusal(host, asked).startswith(f"--model: the services can't see {hidden},")
    else:
        assert bash(host, asked).stdout == ""


def test_a_model_that_its_server_cannot_read(host: Path):
    """As another user where the tests are root's; else as one who can't become another."""
    (host / "model").mkdir(mode=0o700)
    (host / "model/config.json").touch()
    asked = 'need_readable "$T/model"'
    assert bash(host, asked).stdout == ""
    refused = refusal(host, f"unset -f setpriv; {asked}")
    assert "The model server's user can't read" in refused


def test_a_dry_run_makes_no_lock_and_heeds_one(host: Path):
    lines = "LOCK_FILE=$T/lock; DRY_RUN=true; take_lock"
    assert bash(host, lines).returncode == 0
    assert not (host / "lock").exists()
    with (host / "lock").open("w") as held:
        assert bash(host, lines).returncode == 0
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "Another install.sh is running" in refusal(host, lines)
    assert bash(host, lines.replace("true", "false")).returncode == 0


def test_a_redis_of_ours_is_not_left_for_another_by_the_way(services: Path):
    (services / "etc/secrets/redis.conf").touch()
    refused = refusal(services, CHECK, REDIS_URL="redis://elsewhere:6379/0")
    assert "QwenCam has a Redis of its own here" in refused


def test_the_hardware_is_judged_by_what_will_be_served(host: Path):
    script = host / "scripts/check_hardware.sh"
    script.parent.mkdir()
    script.write_text('echo "$* $MODEL_MAX_TOKENS $TENSOR_PARALLEL_SIZE $ICE_PORT_RANGE"\n')
    lines = (
        "VLLM=cpu MODEL=qwen2.5-vl-32b; plan_settings; need_python() { :; }\n"
        "service_python() { echo python3; }; SOURCE=$T; check_model_fits"
    )
    asked = "--model qwen2.5-vl-32b --disk /var/lib"
    settings = host / "etc/qwencam.env"
    settings.write_text("MODEL_MAX_TOKENS=6000\nTENSOR_PARALLEL_SIZE=4\nICE_PORT_RANGE=\n")
    assert f"{asked} 6000 4 \n" in bash(host, lines, TENSOR_PARALLEL_SIZE="2").stdout
    settings.unlink()
    first = bash(host, lines, TENSOR_PARALLEL_SIZE="2").stdout
    assert f"{asked} 8192 2 40000-40200\n" in first


def test_a_secret_that_is_given_replaces_the_one_there(host: Path):
    write = "VLLM=cpu; write_secrets; tail -n +1 $T/etc/secrets/*"
    first = bash(host, write, DATABASE_URL="postgres://wrong").stdout
    key = (host / "etc/secrets/VLLM_API_KEY").read_text()
    assert len(key) > 40 and "postgres://wrong" in first
    bash(host, write, DATABASE_URL="postgres://right", TURN_SECRET="shared")
    bash(host, write)
    found = {file.name: file.read_text().strip() for file in (host / "etc/secrets").iterdir()}
    assert found["DATABASE_URL"] == "postgres://right" and found["TURN_SECRET"] == "shared"
    assert found["VLLM_API_KEY"] == key.strip() and found["REDIS_URL"].startswith("redis://:")
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (host / "etc/secrets").iterdir()}
    assert modes == {0o600}


def test_stores_that_cannot_be_used_are_not_written_down(host: Path):
    lines = "RELEASE=$SOURCE; check_stores; write_secrets"
    done = bash(host, lines, DATABASE_URL="postgres://user:hidden@127.0.0.1:1/name")
    assert done.returncode == 1, done.stdout
    assert "DATABASE_URL can't be used: connection failed" in done.stdout
    assert "nothing was written down" in done.stdout and "hidden" not in done.stdout
    done = bash(host, lines, REDIS_URL="redis://:hidden@127.0.0.1:1/0")
    assert "REDIS_URL can't be used: Error" in done.stdout and "hidden" not in done.stdout
    assert not (host / "etc/secrets").exists()
    assert bash(host, lines).returncode == 0
