"""Checks of the certificate that the web process serves HTTPS with."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from apps.maintenance.doctor.findings import Finding, failed, ok, skipped, warning

SOON: Final = timedelta(days=14)  # Automatic renewal comes earlier, so it must have failed.


def check_certificate(
    certificate: str, key: str, *, hosts: Collection[str], now: datetime
) -> Finding:
    """Do the files fit together, and is the certificate good now, for `hosts`?

    Args:
        certificate, key: paths of PEM files, both empty where HTTPS is served elsewhere.
        hosts: names that browsers may use, as ALLOWED_HOSTS has them.
    """
    if not certificate and not key:
        return skipped("SSL_CERT_PATH is empty: this process serves no HTTPS itself.")
    try:
        chain = x509.load_pem_x509_certificates(Path(certificate).read_bytes())
        private = load_pem_private_key(Path(key).read_bytes(), password=None)
    except OSError as error:
        return failed(
            f"{error.filename or 'A file'} can't be read: {error.strerror}.",
            mend="Set both SSL_CERT_PATH and SSL_KEY_PATH to files that this user may read.",
        )
    except (ValueError, TypeError) as error:
        return failed(
            f"The files can't be used: {error}",
            mend="Give PEM files: the certificate with its chain, and its key without a password.",
        )
    return judge_certificate(chain, private, hosts=hosts, now=now)


def judge_certificate(
    chain: Sequence[x509.Certificate],
    key: PrivateKeyTypes,
    *,
    hosts: Collection[str],
    now: datetime,
) -> Finding:
    """The same, of files that could be read."""
    own = chain[0]
    if _encoded(own.public_key()) != _encoded(key.public_key()):
        return failed(
            "The key does not fit the certificate.",
            mend="Give the key that the certificate was made for, and the own certificate first.",
        )
    left = own.not_valid_after_utc - now
    names = _names(own)
    found = f"for {', '.join(names) or 'no name'}; {left.days} days left"
    renew = "Renew the certificate and restart the web process."
    if left <= timedelta(0):
        return failed(f"Expired on {own.not_valid_after_utc:%d %B %Y}.", mend=renew)
    if own.not_valid_before_utc > now:
        return failed(
            f"Not valid before {own.not_valid_before_utc:%d %B %Y}.",
            mend="Set this machine's clock, or wait.",
        )
    if not any(_covers(name, host) for name in names for host in hosts):
        return warning(found, mend="Get a certificate for a name that ALLOWED_HOSTS has.")
    return warning(found, mend=renew) if left < SOON else ok(found)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _covers(name: str, host: str) -> bool:
    """Whether a certificate's `name` is good for an entry of ALLOWED_HOSTS."""
    host = host.strip("[]").lower()
    name = name.lower()
    if host == "*" or name == host:
        return True
    if host.startswith("."):
        return name == host[1:] or name.endswith(host)
    return name.startswith("*.") and host.partition(".")[2] == name[2:]


def _encoded(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
