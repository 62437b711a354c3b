"""The local authority: kept as long as it serves, limited to this machine, renewed by itself."""

import ipaddress
import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from deploy.local_authority.__main__ import hosts, main
from deploy.local_authority.certificates import Files, ensure, fingerprint
from deploy.local_authority.names import Names, local_names, ordered

LAN = Names(
    dns=("localhost", "den", "den.local"),
    addresses=tuple(map(ipaddress.ip_address, ("192.168.1.20", "127.0.0.1", "::1"))),
)


def moved(names: Names, *addresses: str) -> Names:
    return Names(dns=names.dns, addresses=tuple(map(ipaddress.ip_address, addresses)))


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path / "https")


def contents(files: Files) -> tuple[bytes, bytes]:
    return files.authority.read_bytes(), files.site.read_bytes()


def test_a_second_start_changes_nothing(files):
    assert ensure(files, names=LAN)
    before = contents(files)
    assert not ensure(files, names=LAN)
    assert contents(files) == before
    modes = {stat.S_IMODE(key.stat().st_mode) for key in (files.authority_key, files.site_key)}
    assert modes == {0o600}


def test_a_new_private_address_needs_no_new_trust(files):
    ensure(files, names=LAN)
    authority, site = contents(files)
    assert not ensure(files, names=moved(LAN, "10.1.2.3"))
    assert files.authority.read_bytes() == authority
    assert files.site.read_bytes() != site
    told = x509.load_pem_x509_certificate(files.site.read_bytes())
    named = told.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert named.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.1.2.3")]


def test_what_the_authority_may_not_sign_needs_a_new_one(files):
    ensure(files, names=LAN)
    assert ensure(files, names=moved(LAN, "203.0.113.5"))
    assert not ensure(files, names=moved(LAN, "203.0.113.5"))
    more = Names(dns=(*LAN.dns, "elsewhere.example"), addresses=LAN.addresses)
    assert ensure(files, names=more)


def test_the_authority_is_for_this_machine_only(files):
    ensure(files, names=LAN)
    certificate = x509.load_pem_x509_certificate(files.authority.read_bytes())
    limits = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    permitted = limits.value.permitted_subtrees or []
    names = {each.value for each in permitted if isinstance(each, x509.DNSName)}
    assert names == {"localhost", "den.local"}
    networks = [each.value for each in permitted if isinstance(each, x509.IPAddress)]
    assert not any(network.is_global for network in networks)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (basic.ca, basic.path_length) == (True, 0)


@pytest.mark.parametrize(
    ("days", "site_is_new", "authority_is_new"),
    [(300, False, False), (340, True, False), (3630, True, True)],
)
def test_certificates_are_renewed_before_they_expire(files, days, site_is_new, authority_is_new):
    now = datetime.now(UTC)
    ensure(files, names=LAN, now=now)
    authority, site = contents(files)
    assert ensure(files, names=LAN, now=now + timedelta(days=days)) is authority_is_new
    assert (files.authority.read_bytes() != authority) is authority_is_new
    assert (files.site.read_bytes() != site) is site_is_new


def test_an_authority_without_limits_is_replaced(files, tmp_path):
    ensure(files, names=LAN)
    files.authority.write_bytes(files.site.read_bytes())
    files.authority_key.write_bytes(files.site_key.read_bytes())
    assert ensure(files, names=LAN)


@pytest.mark.parametrize("name", ["authority.key", "authority.crt"])
def test_a_lost_or_damaged_authority_is_replaced_with_all_it_signed(files, name):
    ensure(files, names=LAN)
    (files.folder / name).write_text("damaged")
    assert ensure(files, names=LAN)
    ssl.create_default_context(cafile=files.authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.site, files.site_key)
    assert not ensure(files, names=LAN)


def test_another_authoritys_certificate_is_replaced(files, tmp_path):
    other = Files(tmp_path / "other")
    for each in (files, other):
        ensure(each, names=LAN)
    files.site.write_bytes(other.site.read_bytes())
    files.site_key.write_bytes(other.site_key.read_bytes())
    ensure(files, names=LAN)
    assert files.site.read_bytes() != other.site.read_bytes()


def test_addresses_that_others_can_use_come_first():
    texts = ("fe80::1", "127.0.0.1", "fd00::2", "10.0.0.9", "192.168.1.20")
    found = ordered(map(ipaddress.ip_address, texts), first=ipaddress.ip_address("192.168.1.20"))
    assert [str(each) for each in found] == ["192.168.1.20", "10.0.0.9", "fd00::2"]


def test_hosts_are_written_as_in_urls():
    assert hosts(LAN) == "localhost,den,den.local,192.168.1.20,127.0.0.1,[::1]"
    assert "localhost" in local_names().dns


def test_fingerprints_are_written_as_phones_show_them(files):
    ensure(files, names=LAN)
    parts = fingerprint(files.authority).split(":")
    assert len(parts) == 32
    assert all(len(part) == 2 and part == part.upper() for part in parts)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["make", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'file'} can't be written: File exists.\n"
    assert main(["bake"]) == 2
