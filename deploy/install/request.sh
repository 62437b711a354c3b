# Can what is asked for be done here? Each check ends the script with one sentence, before anything is.
# shellcheck shell=bash

# check_request: of an installation or an upgrade.
check_request() {
    case $ACTION in install | upgrade) ;; *) return 0 ;; esac
    check_environment
    choose_vllm
    check_folders
    plan_settings
    check_model_server
    check_ports
}

# check_environment: what the caller's environment gives, by its form.
check_environment() {
    local name
    [[ ${DATABASE_URL:-postgres://} =~ ^(postgres|postgresql|sqlite):// ]] ||
        fail "DATABASE_URL must look like postgres://user:password@host:5432/name."
    [[ ${DATABASE_URL:-} != sqlite:* || $DATABASE_URL == "sqlite:///$DATA"/* ]] ||
        fail "DATABASE_URL must name a file in $DATA, the only folder that the services may write to: sqlite:///$DATA/db.sqlite3."
    [[ ${REDIS_URL:-redis://} =~ ^(rediss?|unix):// ]] ||
        fail "REDIS_URL must look like redis://:password@host:6379/0."
    [[ -z ${REDIS_URL:-} || ! -e $SETTINGS/secrets/redis.conf || $REDIS_URL == "$(secret REDIS_URL)" ]] ||
        fail "QwenCam has a Redis of its own here: leave REDIS_URL out, or remove $SETTINGS/secrets/redis.conf and disable qwen-redis first."
    for name in DATABASE_URL REDIS_URL VLLM_API_KEY TURN_SECRET EMAIL_HOST_PASSWORD; do
        [[ $ACTION == install || -z ${!name:-} || ${!name} == "$(secret "$name")" ]] ||
            fail "--upgrade changes no secrets: leave $name out, and give it to install.sh without --upgrade."
    done
    [[ ${VLLM_BASE_URL:-http://x} =~ ^https?://[^/,]+[^,]*(, *https?://[^/,]+[^,]*)*$ ]] ||
        fail "VLLM_BASE_URL must look like http://gpu-host:8100/v1, not '$VLLM_BASE_URL'."
    [[ -z ${VLLM_PORT:-} ]] || is_port "$VLLM_PORT" || fail "VLLM_PORT must be a port from 1 to 65535, not '$VLLM_PORT'."
    for name in MODEL_MAX_TOKENS TENSOR_PARALLEL_SIZE; do
        [[ ${!name:-1} =~ ^[1-9][0-9]{0,8}$ ]] || fail "$name must be a whole number, not '${!name}'."
    done
}

# choose_vllm: by the host's GPU, where --vllm is not given.
choose_vllm() {
    if [[ -n $VLLM ]]; then
        :
    elif [[ -n ${VLLM_BASE_URL:-} ]]; then
        VLLM=none
    elif [[ -e /dev/kfd ]]; then
        VLLM=rocm
    elif [[ -e /dev/nvidiactl ]]; then
        VLLM=cuda
    else
        VLLM=cpu
    fi
    [[ $VLLM == none || -n $MODEL || -e $SETTINGS/qwencam.env ]] ||
        fail "Say which model to serve: --model qwen2.5-vl-32b on a large GPU, --model demo to try it out, or VLLM_BASE_URL for a server there is."
    [[ $VLLM != none || -z $MODEL ]] ||
        fail "--model is what vLLM serves here, and none is started: say by MODEL_NAME what that other server calls its model."
}

# check_folders: those that options name have in them what they are needed for.
check_folders() {
    if [[ -n $ENVIRONMENT ]]; then
        "$ENVIRONMENT/bin/python" -P -c 'import aiortc, celery, daphne, django' 2>/dev/null ||
            fail "--environment has no Python that imports what requirements.txt names: $ENVIRONMENT."
    fi
    [[ $VLLM != /* || -x $VLLM/bin/python ]] || fail "--vllm names a folder without bin/python: $VLLM."
    if [[ $MODEL == /* ]]; then
        [[ -f $MODEL/config.json ]] || fail "--model names a folder without a checkpoint: $MODEL/config.json is missing."
        case $(readlink -f "$MODEL") in
            /root/* | /home/*) fail "The model server can't see $MODEL: move it to /var/lib/qwen-vllm/models or /srv." ;;
        esac
    fi
}

# check_model_server: without one of ours there must be another.
check_model_server() {
    [[ $VLLM == none && -z ${VLLM_BASE_URL:-} ]] || return 0
    if [[ ! -e $SETTINGS/qwencam.env || -z $(planned VLLM_BASE_URL) ]] || { vllm_changes && [[ $(planned VLLM_BASE_URL) == "$(own_server)" ]]; }; then
        fail "--vllm none starts no model server: say where one is, VLLM_BASE_URL=http://gpu-host:8100/v1 MODEL_NAME=… deploy/install.sh …"
    fi
}

# check_ports: no two of our servers on one port, and no web server on one that is taken.
check_ports() {
    local port others number whose
    [[ $ACTION == install || -n $WEB_PORTS ]] || return 0
    others=$(other_ports)
    for port in $(web_ports); do
        while read -r number whose; do
            [[ $port != "$number" ]] || fail "Port $port can't be a web server's, it is that of $whose: choose others with --web-ports."
        done <<<"$others"
        [[ " $(enabled_ports) " == *" $port "* ]] || ! port_in_use "$port" ||
            fail "Port $port is in use by another program: choose others with --web-ports."
    done
    # Ours are in use later on.
    [[ -e $SETTINGS/qwencam.env || $VLLM == none ]] || ! port_in_use "$(planned VLLM_PORT)" ||
        fail "Port $(planned VLLM_PORT) is in use by another program: choose another VLLM_PORT."
}

# other_ports: prints the ports on this host that are no web server's, and whose each one is.
other_ports() {
    local url
    [[ $VLLM == none ]] || printf '%s the model server (VLLM_PORT)\n' "$(planned VLLM_PORT)"
    printf '%s the worker (WORKER_METRICS_PORT)\n' "$(metrics_port)"
    port_here "${REDIS_URL:-$(secret REDIS_URL)}" 6379 "Redis (REDIS_URL)"
    port_here "${DATABASE_URL:-$(secret DATABASE_URL)}" 5432 "the database (DATABASE_URL)"
    for url in $(planned VLLM_BASE_URL | tr , ' '); do port_here "$url" 80 "a model server (VLLM_BASE_URL)"; done
}

# port_here URL PORT WHOSE: prints the URL's port, the given one where it names none, if it is this host's.
port_here() {
    [[ $1 =~ ://(.*@)?(localhost|127\.[0-9.]+|\[::1\])(:([0-9]+))?(/|$) ]] || return 0
    printf '%s %s\n' "${BASH_REMATCH[4]:-$2}" "$3"
}

metrics_port() {
    local port
    port=$(planned WORKER_METRICS_PORT)
    printf '%s\n' "${port:-8200}"
}

# port_of_ours FROM: prints the first port from there on that is free and that no web server is to have.
port_of_ours() {
    local port=$1
    while port_in_use "$port" || [[ " $(web_ports) $(metrics_port) " == *" $port "* ]]; do port=$((port + 1)); done
    printf '%s\n' "$port"
}
