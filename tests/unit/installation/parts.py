"""install.sh's own lines in a shell, with systemd, users and manage.py replaced."""

import os
import subprocess
from pathlib import Path

from tests.stack import ROOT

# A database is a file here; what is done with services and as another user is printed.
STUBS = r"""
set -euo pipefail
SOURCE=$PWD
for part in scripts/lib/{say,preflight,environments,redis} \
    deploy/install/{steps,options,request,settings,release,services,database,removal}; do
    source "$part.sh"
done
read_options
DRY_RUN=false VLLM=none HEALTH_SECONDS=1 PREFIX=$T CURRENT=$T/current UNITS=$T/units
SETTINGS=$T/etc DATA=$T/data UPGRADE_NOTE=$T/etc/note SETTINGS_BEFORE=$T/etc/before
systemctl() { echo "systemctl $*"; }
install_units() { :; }
enable_units() { :; }
health() { [[ ! -e $T/unwell ]]; }
setpriv() {
    echo "setpriv $*" >>"$T/said"
    while [[ $1 != -- ]]; do shift; done
    shift
    if [[ $1 == test && -e $T/unreadable ]]; then return 1; fi
    "$@"
}
manage() {
    echo "manage $2"
    [[ ! -e $T/fails-$2 ]] || return 1
    case $2 in
        backup_database) cp "$T/database" "$3" ;;
        restore_database)
            if [[ $3 == --check ]]; then [[ ! -e $T/damaged ]]; else cp "$3" "$T/database"; fi
            ;;
    esac
}
"""


def bash(host: Path, lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run lines behind those of the stubs; errors are in the output as well."""
    return subprocess.run(
        ["bash", "-c", STUBS + lines],
        cwd=ROOT,
        # None of the tester's own settings.
        env={"PATH": os.environ["PATH"], "T": str(host), "TMPDIR": str(host), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
