#!/usr/bin/env bash
# Makes .venv-convert, the environment that models are converted in, unless it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for part in say preflight environments; do
    # shellcheck source=/dev/null
    source "scripts/lib/$part.sh"
done
LOG_DIR=${LOG_DIR:-var/logs}
BACKGROUND=
trap '[[ -z $BACKGROUND ]] || kill "$BACKGROUND" 2>/dev/null' EXIT
VENV=.venv-convert
LOCK=deploy/requirements/convert.txt

# pip_install_convert: torch first, from PyTorch's index where pip's own has no CPU build.
pip_install_convert() {
    pip_install_lock "$VENV" "$TORCH_CPU_LOCK" ||
        pip_install_lock "$VENV" "$TORCH_CPU_LOCK" --extra-index-url "$TORCH_CPU_INDEX" || return
    pip_install_lock "$VENV" "$LOCK"
}

mkdir -p "$LOG_DIR" 2>/dev/null || fail "$PWD can't be written: run this as its owner."
exec 8<"$LOCK"
flock 8
! installed "$VENV" convert "$TORCH_CPU_LOCK" "$LOCK" || exit 0
[[ $(uname -m) == x86_64 ]] || fail "Models are converted on x86_64 only: there is no CPU torch in the lock for $(uname -m)."
need_disk . 2500
make_venv "$VENV"
with_progress "Installing the converter (about a minute, 1.5 GB)" "$LOG_DIR/install-convert.log" \
    pip_install_convert 8<&- || install_failed "$LOG_DIR/install-convert.log"
stamp_of "$TORCH_CPU_LOCK" "$LOCK" >"$VENV/.installed-convert"
