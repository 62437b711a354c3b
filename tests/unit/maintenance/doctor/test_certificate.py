"""Certificates: readable, fitting, valid now, and for a host of ours."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from apps.maintenance.doctor.certificate import check_certificate
from apps.maintenance.doctor.findings import Finding

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOST = "camera.example.org"


def make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey, *, password: bytes | None = None) -> bytes:
    hiding = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hiding)


def certificate(
    key: ec.EllipticCurvePrivateKey, *, names: tuple[str, ...], days: float, since: float = -30
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    listed = [
        x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
        for name in names
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW + timedelta(days=since))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if listed:
        builder = builder.add_extension(x509.SubjectAlternativeName(listed), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def found(tmp_path: Path):
    """`found(names=…)`: what the check says of files like that."""

    def look(
        *,
        names: tuple[str, ...] = (HOST,),
        days: float = 90,
        since: float = -30,
        hosts: tuple[str, ...] = (HOST,),
        other_key: bool = False,
        password: bytes | None = None,
    ) -> Finding:
        key = make_key()
        (tmp_path / "chain.pem").write_bytes(certificate(key, names=names, days=days, since=since))
        (tmp_path / "key.pem").write_bytes(pem(make_key() if other_key else key, password=password))
        return check_certificate(
            str(tmp_path / "chain.pem"), str(tmp_path / "key.pem"), hosts=hosts, now=NOW
        )

    return look


def test_a_good_one(found):
    finding = found()
    assert (finding.status, finding.found) == ("ok", f"for {HOST}; 90 days left")


@pytest.mark.parametrize(
    ("days", "since", "status"),
    [
        (14, -30, "ok"),
        (13.9, -30, "warning"),
        (0, -30, "failed"),
        (-3, -30, "failed"),
        (90, 1, "failed"),
    ],
)
def test_its_time(found, days, since, status):
    assert found(days=days, since=since).status == status


def test_a_key_of_another(found):
    finding = found(other_key=True)
    assert finding.status == "failed"
    assert "key does not fit" in finding.found


def test_a_key_with_a_password(found):
    assert found(password=b"secret").status == "failed"


@pytest.mark.parametrize(
    ("names", "hosts", "status"),
    [
        (("other.example.org",), (HOST,), "warning"),
        ((), (HOST,), "warning"),
        (("*.example.org",), (HOST,), "ok"),
        (("*.example.org",), ("a.b.example.org",), "warning"),
        (("Camera.Example.ORG",), (HOST,), "ok"),
        ((HOST,), (".example.org",), "ok"),
        ((HOST,), ("*",), "ok"),
        (("192.0.2.7",), ("192.0.2.7",), "ok"),
    ],
)
def test_its_names(found, names, hosts, status):
    assert found(names=names, hosts=hosts).status == status


def test_files_that_are_not_there(tmp_path):
    for paths in (("x.pem", ""), (str(tmp_path / "a"), str(tmp_path / "b"))):
        finding = check_certificate(*paths, hosts=(HOST,), now=NOW)
        assert finding.status == "failed"
        assert "SSL_CERT_PATH" in finding.mend


def test_files_that_are_something_else(tmp_path):
    (tmp_path / "a").write_text("hello")
    finding = check_certificate(str(tmp_path / "a"), str(tmp_path / "a"), hosts=(HOST,), now=NOW)
    assert finding.status == "failed"
    assert "PEM" in finding.mend


def test_none_is_needed_behind_a_proxy():
    assert check_certificate("", "", hosts=(HOST,), now=NOW).status == "skipped"
