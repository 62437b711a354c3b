"""``python -m deploy.local_authority``: what ``scripts/quickstart.sh --https`` needs done.

hosts            this machine's names and addresses, comma separated, as ALLOWED_HOSTS takes them
make FOLDER      certificates for them, made or renewed in that folder; prints the first address
show FOLDER URL  how a phone gets there: the address, a QR code, how to trust the authority
"""

import io
import sys
from collections.abc import Sequence
from ipaddress import IPv6Address
from pathlib import Path

import segno

from deploy.local_authority.certificates import Files, ensure, fingerprint
from deploy.local_authority.names import Address, Names, local_names

USAGE = 2


def main(arguments: Sequence[str]) -> int:
    """Do one of the three; return the exit status."""
    match arguments:
        case ["hosts"]:
            print(hosts(local_names()))  # noqa: T201
        case ["make", folder]:
            return _make(Files(Path(folder)))
        case ["show", folder, url]:
            print(instructions(Files(Path(folder)), url=url))  # noqa: T201
        case _:
            print(__doc__, file=sys.stderr)  # noqa: T201
            return USAGE
    return 0


def hosts(names: Names) -> str:
    """Return names and addresses as hosts of URLs, comma separated."""
    return ",".join([*names.dns, *map(_host, names.addresses)])


def _host(address: Address) -> str:
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)


def _make(files: Files) -> int:
    names = local_names()
    try:
        renewed = ensure(files, names=names)
    except OSError as error:
        print(f"{files.folder} can't be written: {error.strerror}.", file=sys.stderr)  # noqa: T201
        return 1
    if renewed:
        print("A new local authority was made: no device trusts it yet.", file=sys.stderr)  # noqa: T201
    print(_host(names.addresses[0]))  # noqa: T201
    return 0


def instructions(files: Files, *, url: str) -> str:
    """Return what to do with a phone in the same network."""
    return f"""Phone  {url}

{_qr_code(url)}
       The browser warns, since it does not know who signed. Go on for a try ("Advanced"), or let
       the phone trust this machine for good. Open {url}authority.crt there, then
       - Android: Settings, search "CA certificate", Install anyway, choose the file
       - iPhone: Settings, Profile Downloaded, Install; General, About, Certificate Trust Settings
       The certificate's fingerprint (SHA-256) must be
       {fingerprint(files.authority)}
"""


def _qr_code(url: str) -> str:
    """Two rows of modules a line; in a terminal that can't show such characters, nothing."""
    text = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(text, compact=True, border=2)
    return text.getvalue() if "utf" in (sys.stdout.encoding or "").lower() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
