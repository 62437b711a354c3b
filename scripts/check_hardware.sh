#!/usr/bin/env bash
# What this machine has, and whether the configured model fits on it; --help says more.
#
#   ./scripts/check_hardware.sh                        for people
#   ./scripts/check_hardware.sh --json                 for programs
#   ./scripts/check_hardware.sh --model qwen3-vl-8b    another model than MODEL_PATH
#
# Needs nothing but Python 3.11 or newer. Exit status: 0 it fits, 1 it doesn't, 2 unusable arguments.
set -euo pipefail
here=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
for part in say preflight; do
    # shellcheck source=/dev/null
    source "scripts/lib/$part.sh"
done

python=$(find_python)
# Paths that were given are seen from where the script was called; a "deploy" there is not ours (-P).
cd "$here"
PYTHONPATH=$root exec "$python" -P -m deploy.hardware "$@"
