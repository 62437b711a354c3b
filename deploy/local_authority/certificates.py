"""The authority's certificate and the site's: made, kept, and made anew when they no longer do."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local_authority.names import Address, Names

AUTHORITY_DAYS: Final = 3650
SITE_DAYS: Final = 365
"""Apple's systems refuse a server's certificate of more than 825: support.apple.com/103769."""
RENEW_DAYS: Final = 30
_BACKDATED: Final = timedelta(hours=1)  # A phone's clock may be behind.
PRIVATE: Final[tuple[IPv4Network | IPv6Network, ...]] = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1")
)
"""RFC 1918, RFC 4193 and loopback."""


_Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


@dataclass(frozen=True)
class Files:
    """Where certificates and keys are, as PEM."""

    folder: Path

    @property
    def authority(self) -> Path:
        """Certificate that phones are told to trust."""
        return self.folder / "authority.crt"

    @property
    def authority_key(self) -> Path:
        """Key of the authority."""
        return self.folder / "authority.key"

    @property
    def site(self) -> Path:
        """Certificate of the web server."""
        return self.folder / "site.crt"

    @property
    def site_key(self) -> Path:
        """Key of the web server."""
        return self.folder / "site.key"


def ensure(files: Files, *, names: Names, now: datetime | None = None) -> bool:
    """Make what is missing, unreadable, about to expire or for other names.

    Returns:
        Whether there is a new authority, which nobody trusts yet.

    Raises:
        OSError: the folder can't be written.
    """
    moment = now or datetime.now(UTC)
    files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _read(files.authority, files.authority_key)
    renewed = authority is None or not _authority_is_good(authority[0], names, now=moment)
    if authority is None or renewed:
        authority = _make_authority(names, now=moment)
        _write(authority, certificate=files.authority, key=files.authority_key)
    site = _read(files.site, files.site_key)
    if site is None or not _site_is_good(site[0], names, by=authority[0], now=moment):
        _write(
            _make_site(names, by=authority, now=moment), certificate=files.site, key=files.site_key
        )
    return renewed


def signed(names: Names) -> list[str]:
    """Return the names that certificates are for: not those of one label, but for localhost.

    What an authority may sign includes all below it, so a host called ``dev`` would have the whole
    of that top-level domain.
    """
    return [name for name in names.dns if "." in name or name == "localhost"]


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint of a PEM certificate, as browsers and phones show it."""
    der = x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(
        serialization.Encoding.DER
    )
    return hashlib.sha256(der).digest().hex(":").upper()


def _read(certificate: Path, key: Path) -> _Pair | None:
    """The pair in these files, None unless they are there, readable and belong together."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError):
        return None
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        return None
    return (found, private) if found.public_key() == private.public_key() else None


def _write(pair: _Pair, *, certificate: Path, key: Path) -> None:
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    _replace(key, pair[1].private_bytes(serialization.Encoding.PEM, *form), mode=0o600)
    _replace(certificate, pair[0].public_bytes(serialization.Encoding.PEM), mode=0o644)


def _replace(file: Path, content: bytes, *, mode: int) -> None:
    partial = file.with_suffix(f"{file.suffix}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(content)
    partial.replace(file)


def _authority_is_good(certificate: x509.Certificate, names: Names, *, now: datetime) -> bool:
    """Whether it lasts, and may sign for all these names."""
    try:
        limits = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    subtrees = limits.permitted_subtrees or []
    networks = [each.value for each in subtrees if isinstance(each, x509.IPAddress)]
    domains = [each.value for each in subtrees if isinstance(each, x509.DNSName)]
    return (
        certificate.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)
        and all(_within(address, networks) for address in names.addresses)
        and all(_under(name, domains) for name in signed(names))
    )


def _within(address: Address, networks: Sequence[object]) -> bool:
    return any(
        address in network
        for network in networks
        if isinstance(network, IPv4Network | IPv6Network) and network.version == address.version
    )


def _under(name: str, domains: Sequence[str]) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def _site_is_good(
    certificate: x509.Certificate, names: Names, *, by: x509.Certificate, now: datetime
) -> bool:
    """Whether it lasts, is by this authority, and is for just these names."""
    try:
        certificate.verify_directly_issued_by(by)
    except (InvalidSignature, ValueError, TypeError):
        return False
    told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return certificate.not_valid_after_utc - now > timedelta(days=RENEW_DAYS) and (
        set(told.get_values_for_type(x509.DNSName)),
        set(told.get_values_for_type(x509.IPAddress)),
    ) == (set(signed(names)), set(names.addresses))


def _make_authority(names: Names, *, now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"QwenCam on {names.dns[1]}" if len(names.dns) > 1 else "QwenCam")
    others = [each for each in names.addresses if not _within(each, PRIVATE)]
    networks = [*PRIVATE, *(ip_network(each) for each in others)]
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in signed(names)]
    permitted += [x509.IPAddress(network) for network in networks]
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    limits = x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)
    builder = (
        _builder(subject, issuer=subject, key=key, days=AUTHORITY_DAYS, now=now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(limits, critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key


def _make_site(names: Names, *, by: _Pair, now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in signed(names)]
    alternatives += [x509.IPAddress(address) for address in names.addresses]
    issuer, signer = by
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        _builder(_name("QwenCam"), issuer=issuer.subject, key=key, days=SITE_DAYS, now=now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(signed_by, critical=False)
    )
    return builder.sign(signer, hashes.SHA256()), key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _builder(
    subject: x509.Name,
    *,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    days: int,
    now: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
