# The settings of a demonstration, over whatever the environment says already.
# shellcheck shell=bash

random_text() { "$PYTHON" -c 'import secrets; print(secrets.token_urlsafe(48))'; }

# load_or_make_secrets FILE: made once, kept in the data folder; the environment's own win. What is missing
# there, or was cut off, is made anew.
load_or_make_secrets() {
    local name value kept
    [[ ! -e $1 && ! -L $1 ]] || need_own_file "$1"
    kept=$(grep -asE '^(DJANGO_SECRET_KEY|JWT_SECRET_KEY|REDIS_PASSWORD)=[[:graph:]]{32}' "$1") || true
    for name in DJANGO_SECRET_KEY JWT_SECRET_KEY REDIS_PASSWORD; do
        [[ $'\n'$kept == *$'\n'"$name="* ]] || kept+=${kept:+$'\n'}$name=$(random_text)
    done
    printf '%s\n' "$kept" >"$1.partial"
    mv "$1.partial" "$1"
    while IFS='=' read -r name value; do
        case $name in
            DJANGO_SECRET_KEY | JWT_SECRET_KEY | REDIS_PASSWORD) [[ -n ${!name:-} ]] || export "$name=$value" ;;
        esac
    done <"$1"
}

# first_model: prints the first model that the given server offers.
first_model() {
    "$PYTHON" - <<'PYTHON' 2>/dev/null
import json, os, urllib.request
url = os.environ["VLLM_BASE_URL"].split(",")[0].strip().rstrip("/") + "/models"
key = os.environ.get("VLLM_API_KEY")
request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
print(json.load(urllib.request.urlopen(request, timeout=10))["data"][0]["id"])
PYTHON
}

# hosts: names that a browser may call this machine by.
hosts() {
    local names="localhost,127.0.0.1,[::1]"
    if [[ $HOST != 127.0.0.1 ]]; then
        names=$("$PYTHON" -m deploy.local_authority hosts)
    fi
    printf '%s\n' "$names"
}

# public_url: where a browser finds the page.
public_url() {
    local scheme=http name=localhost
    [[ -z ${SSL_CERT_PATH:-} ]] || scheme=https
    case $HOST in
        127.0.0.1 | localhost) ;;
        0.0.0.0 | ::) name=${LAN_ADDRESS:-$(hostname)} ;;
        *:*) name=[$HOST] ;;
        *) name=$HOST ;;
    esac
    printf '%s://%s:%s\n' "$scheme" "$name" "${PORT:?}"
}

# set_up_https: a certificate by an authority of this machine's own, unless one was given.
set_up_https() {
    [[ -z ${SSL_CERT_PATH:-}${SSL_KEY_PATH:-} ]] || return 0
    local folder=$DATA_DIR/https
    [[ ! -e $folder ]] || need_own_folder "$folder" 022
    LAN_ADDRESS=$("$PYTHON" -m deploy.local_authority make "$folder") || exit 1
    export SSL_CERT_PATH=$folder/site.crt SSL_KEY_PATH=$folder/site.key
    export LOCAL_AUTHORITY_CERT=$folder/authority.crt
}

# show_phone: how a phone in the same network gets here.
show_phone() {
    [[ -z ${LOCAL_AUTHORITY_CERT:-} ]] ||
        "$PYTHON" -m deploy.local_authority show "$DATA_DIR/https" "$(public_url)/"
}

set_demo_settings() {
    local port
    export REDIS_SERVER=none
    if [[ $START_REDIS == true ]]; then
        REDIS_SERVER=$(find_redis_server)
        port=$(free_port)
        write_redis_conf "$DATA_DIR/run/redis.conf" "$port" "$REDIS_PASSWORD"
        export REDIS_URL="redis://:$REDIS_PASSWORD@127.0.0.1:$port/0"
    fi
    if [[ $START_VLLM == true ]]; then
        VLLM_PORT=$(free_port ${VLLM_PORT:+"$VLLM_PORT"})
        export VLLM_PORT VLLM_HOST=127.0.0.1 VLLM_BASE_URL="http://127.0.0.1:$VLLM_PORT/v1"
        export VLLM_CACHE_ROOT=${VLLM_CACHE_ROOT:-$PWD/$VENV_VLLM/cache}
    elif [[ -z ${MODEL_NAME:-} ]]; then
        MODEL_NAME=$(first_model) || fail "No model server answers at VLLM_BASE_URL ($VLLM_BASE_URL)."
    fi
    # Empty counts as unset, as in all settings; 0 is for none.
    export WORKER_METRICS_PORT=${WORKER_METRICS_PORT:-$(free_port)}
    export MODEL_NAME=${MODEL_NAME:-qwencam-demo} MODEL_MAX_TOKENS=${MODEL_MAX_TOKENS:-4096}
    export DATABASE_URL=${DATABASE_URL:-sqlite:///$DATA_DIR/db.sqlite3}
    export STATIC_ROOT=${STATIC_ROOT:-$DATA_DIR/static}
    export ALLOWED_HOSTS=${ALLOWED_HOSTS:-$(hosts)}
    export PUBLIC_URL=${PUBLIC_URL:-$(public_url)}
    export DEMO_SCENE=${DEMO_SCENE:-true}
    # Ctrl-C in a terminal is not an upgrade: little is waited for.
    export DRAIN_SECONDS=${DRAIN_SECONDS:-1}
    # Cookies over HTTPS only, when it is served; but a browser must not learn that every
    # server on this machine speaks HTTPS.
    [[ -z ${SSL_CERT_PATH:-} ]] || export HTTPS_ENABLED=${HTTPS_ENABLED:-true} HSTS_SECONDS=0
}

# wait_for_last_supervisor: of a run that was killed outright and is still ending its children.
wait_for_last_supervisor() {
    local pid tries=0
    pid=$(cat "$DATA_DIR/run/supervisord.pid" 2>/dev/null) || return 0
    while grep -qs supervisord "/proc/$pid/cmdline"; do
        ((tries++ < 60)) || fail "An earlier QwenCam (process $pid) is still running with $DATA_DIR."
        sleep 0.5
    done
}
