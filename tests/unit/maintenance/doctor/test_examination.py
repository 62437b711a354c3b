"""All checks, put together from the settings."""

from apps.maintenance.doctor.examination import all_checks


def test_every_group_has_its_checks(settings):
    settings.VLLM_BASE_URLS = ("http://a/v1", "http://b/v1")
    settings.ICE_SERVERS = [{"urls": "stun:stun.example.org"}]
    names = [f"{check.group}: {check.name}" for check in all_checks(timeout=2)]
    assert names == [
        "Host: Python",
        "Host: packages",
        "Host: ffmpeg",
        "Host: GPU",
        "Host: disk",
        "Host: log file",
        "Host: clock (Redis)",
        "Host: clock of a",
        "Host: clock of b",
        "Settings: settings",
        "Settings: hosts and HTTPS",
        "Settings: certificate",
        "Settings: secrets",
        "Settings: static files",
        "Settings: Django's checks",
        "Database: database",
        "Database: migrations",
        "Redis: Redis",
        "Redis: persistence",
        "Redis: memory",
        "Workers: inference workers",
        "Workers: scheduler",
        "Model: vLLM a",
        "Model: vLLM b",
        "Streams: stun:stun.example.org",
        "Streams: port range",
        "Streams: public address",
    ]


def test_settings_are_only_read_when_a_check_looks(settings, monkeypatch):
    monkeypatch.setenv("SSL_CERT_PATH", "/none/chain.pem")
    monkeypatch.setenv("SSL_KEY_PATH", "/none/key.pem")
    settings.ICE_PUBLIC_ADDRESS = "127.0.0.1"
    by_name = {check.name: check for check in all_checks(timeout=2)}
    assert "/none/chain.pem" in by_name["certificate"].run().found
    assert by_name["public address"].run().status == "failed"
    assert by_name["hosts and HTTPS"].run().status == "warning"
    assert by_name["secrets"].run().status == "ok"
