#!/usr/bin/env bash
# QwenCam on this machine, from nothing to a URL. Ctrl-C ends all that it started and nothing else.
#
#   --model NAME         a real model instead of the demo's: a known name such as qwen2.5-vl-7b (python3
#                        -m deploy.models lists them), OWNER/REPOSITORY[@REVISION], or a folder
#   --https              for phones: a certificate by a local authority, other machines let in
#   --help               this text
#
# From the environment:
#   PORT=8000            where the page is
#   HOST=127.0.0.1       0.0.0.0 lets other machines in
#   DATA_DIR=var         database, logs, generated secrets
#   DEMO_USER=demo       the user to log in as, besides the operator
#   DEMO_PASSWORD=...    instead of a random one
#   VLLM_BASE_URL=...    a model server of yours: no vLLM is installed or started
#   MODEL_NAME=...       its model (else the first it offers)
#   REDIS_URL=...        a Redis of yours: none is started
#   SSL_CERT_PATH=... SSL_KEY_PATH=...  serve HTTPS, as phones need for the camera
#   PYTHON=python3       interpreter for the virtual environments (3.11 or newer)
set -euo pipefail
HERE=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for part in say preflight environments model redis demo_settings; do
    # shellcheck source=/dev/null
    source "scripts/lib/$part.sh"
done

HTTPS=false
MODEL=
while (($#)); do
    case $1 in
        --https) HTTPS=true ;;
        --model)
            [[ -n ${2:-} ]] || fail "--model needs a name: such as --model qwen2.5-vl-7b."
            MODEL=$2
            shift
            ;;
        -h | --help)
            sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' scripts/quickstart.sh
            exit
            ;;
        *) fail "There is no option $1: see --help." ;;
    esac
    shift
done
[[ $HTTPS == false ]] || : "${HOST:=0.0.0.0}"
export PORT=${PORT:-8000} HOST=${HOST:-127.0.0.1}
# Others keep out of a folder that is made here; one that exists keeps its rights.
: "${DATA_DIR:=var}"
(umask 077 && mkdir -p "$DATA_DIR") 2>/dev/null || fail "DATA_DIR can't be created: $DATA_DIR."
DATA_DIR=$(cd "$DATA_DIR" && pwd)
need_plain_path DATA_DIR "$DATA_DIR"
need_plain_path "This checkout" "$PWD"
LOG_DIR=$DATA_DIR/logs
export DATA_DIR

# One instance per data folder. The lock goes with this process, however it ends.
{ (umask 077 && mkdir -p "$DATA_DIR/run" "$LOG_DIR") && touch "$DATA_DIR/run/lock"; } \
    2>/dev/null || fail "DATA_DIR can't be written: $DATA_DIR."
need_own_folder "$DATA_DIR" 002
need_own_folder "$DATA_DIR/run" 022
exec 9<"$DATA_DIR/run/lock"
flock -n 9 ||
    fail "QwenCam is already running with the data in $DATA_DIR: end that one, or choose another DATA_DIR."
rm -f "$DATA_DIR/run/quickstart.json"

BACKGROUND=
SUPERVISOR=
USERS= # New passwords, until they were shown.
# Ends what runs now, once, and waits for it: the supervisor ends its children before itself.
stop() {
    trap '' INT TERM HUP
    trap - EXIT
    [[ -z $BACKGROUND ]] || kill "$BACKGROUND" 2>/dev/null || true
    [[ $USERS != *": password "* ]] || printf '\n%s\n\n' "$USERS"
    if [[ -n $SUPERVISOR ]] && kill "$SUPERVISOR" 2>/dev/null; then
        say "Stopping …"
        wait "$SUPERVISOR" 2>/dev/null || true
        rm -f "$DATA_DIR/run/quickstart.json" "$DATA_DIR/run/redis.conf"
        say "All stopped."
    fi
}
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM HUP
trap stop EXIT

# --- Is this machine ready? -------------------------------------------------------------------
find_python >/dev/null
wait_for_last_supervisor
need_free_port PORT "$PORT"
need_own_address "$HOST" "$PORT"
[[ -z ${SSL_CERT_PATH:-}${SSL_KEY_PATH:-} ]] || need_certificate "$(find_python)"
export START_VLLM=true START_REDIS=true
[[ -z ${VLLM_BASE_URL:-} ]] || START_VLLM=false
[[ -z ${REDIS_URL:-} ]] || START_REDIS=false
[[ -z $MODEL || $START_VLLM == true ]] ||
    fail "VLLM_BASE_URL names a model server of yours, and --model starts one here: give one of them."
[[ $START_VLLM == false || -n ${MODEL_PATH:-} || -f deploy/demo_model/checkpoint/config.json ]] ||
    fail "The demo checkpoint is missing: deploy/demo_model/checkpoint has no config.json."
need_disk "$DATA_DIR" 100
[[ -e $VENV/.installed-requirements ]] || need_disk . 1000
MODEL_DOWNLOAD='' MODEL_DOWNLOAD_MB=0
if [[ -n $MODEL ]]; then
    [[ ! -d $HERE/$MODEL ]] || MODEL=$HERE/$MODEL
    choose_model "$MODEL"
fi
# Without a choice, the vLLM that is there serves the demo, whatever it was built for.
MODEL_DEVICE=${MODEL_DEVICE:-$(installed_device)}
if [[ $START_VLLM == true && ! -e $VENV_VLLM/.installed-vllm-$MODEL_DEVICE ]]; then
    needed=$([[ $MODEL_DEVICE == cpu ]] && echo 6000 || echo 15000)
    [[ -z $MODEL_DOWNLOAD ]] || ! same_disk . "$MODEL_PATH" || ((needed += MODEL_DOWNLOAD_MB))
    need_disk . "$needed"
fi

# --- Install what is not there yet --------------------------------------------------------------
install_lock "Installing the platform" requirements.txt
[[ $START_VLLM == false ]] || install_vllm "$MODEL_DEVICE"
[[ -z $MODEL_DOWNLOAD ]] || download_model "$MODEL_DOWNLOAD"
[[ -z $MODEL ]] || unset HF_TOKEN HF_TOKEN_FILE # What runs from now on has no need of it.
umask 077

# --- Settings, database, users ------------------------------------------------------------------
export PYTHON=$PWD/$VENV/bin/python
load_or_make_secrets "$DATA_DIR/env"
[[ $HTTPS == false ]] || set_up_https
set_demo_settings
"$PYTHON" -m qwencam_site.quickstart_settings # For manage.py, beside it.

USERS=$("$PYTHON" manage.py prepare_demo) ||
    fail "Nothing was started: what is wrong stands above."
unset DEMO_PASSWORD

# --- Start, wait, say where -----------------------------------------------------------------------
: >"$LOG_DIR/supervisord.log"
# A session of its own: a terminal's Ctrl-C reaches this script alone, which then stops the rest.
setsid setpriv --pdeathsig TERM -- "$PYTHON" -W ignore -m supervisor.supervisord \
    -c deploy/supervisor/quickstart.conf 9<&- >>"$LOG_DIR/supervisord.log" 2>&1 &
SUPERVISOR=$!
export SUPERVISOR
setpriv --pdeathsig TERM -- "$PYTHON" scripts/lib/readiness.py 9<&- &
BACKGROUND=$!
wait "$BACKGROUND" || exit 1
BACKGROUND=

printf '\n%s\n\n' "$USERS"
USERS=
show_phone
say "Logs   $LOG_DIR"
say "Open   $(public_url)/   (Ctrl-C stops everything)"
[[ $HOST == 127.0.0.1 || -n ${SSL_CERT_PATH:-} ]] ||
    say "Browsers on other machines give a page the camera over HTTPS only: start with --https."
wait "$SUPERVISOR" || fail "The supervisor ended by itself: see $LOG_DIR/supervisord.log."
