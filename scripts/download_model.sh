#!/usr/bin/env bash
# Downloads a model that vLLM can serve into ~/models, checks it and keeps its checksums.
#
#   scripts/download_model.sh                               Qwen2.5-VL-32B-Instruct
#   scripts/download_model.sh qwen2.5-vl-7b                 another that is known by name
#   scripts/download_model.sh OWNER/REPOSITORY --revision v1 --to /srv/models/mine
#   scripts/download_model.sh qwen2.5-vl-7b --source modelscope
#   scripts/download_model.sh qwen2.5-vl-7b --dry-run       what it would take
#   scripts/download_model.sh qwen2.5-vl-7b --verify        check what is there, offline
#
# Run again, it goes on where it was cut off. A token, where the hub wants one, is read from HF_TOKEN
# or from the file HF_TOKEN_FILE (MODELSCOPE_API_TOKEN); a mirror's address from HF_ENDPOINT.
set -euo pipefail
here=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
for part in say preflight environments; do
    # shellcheck source=/dev/null
    source "scripts/lib/$part.sh"
done
LOG_DIR=${LOG_DIR:-var/logs}
BACKGROUND=
trap '[[ -z $BACKGROUND ]] || kill "$BACKGROUND" 2>/dev/null' EXIT

python=$(find_python)
offline=false
for argument; do
    case $argument in --verify | -h | --help) offline=true ;; esac
done
if [[ $offline == false ]]; then
    mkdir -p "$LOG_DIR" 2>/dev/null || fail "$root can't be written: run this as its owner."
    install_download
    python=$root/.venv-download/bin/python
fi
# Paths that were given are seen from where the script was called; a "deploy" there is not ours (-P).
cd "$here"
PYTHONPATH=$root exec "$python" -P -m deploy.models.download "$@"
