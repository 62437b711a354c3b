# Can what is asked for be done here? Each check ends the script with one sentence, before anything is.
# shellcheck shell=bash

DEVICES=/dev
# The model server's, which are taken from the environment once.
MODEL_SETTINGS=(MODEL_NAME MODEL_MAX_TOKENS MODEL_DTYPE TENSOR_PARALLEL_SIZE GPU_MEMORY_UTILIZATION)

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
    local name url="https?://[^/,[:space:]]+[^,[:space:]]*" file
    for name in DATABASE_URL REDIS_URL VLLM_BASE_URL VLLM_API_KEY TURN_SECRET EMAIL_HOST_PASSWORD VLLM_PORT "${MODEL_SETTINGS[@]}"; do
        [[ ${!name:-} != *[[:cntrl:]]* ]] || fail "$name must be one line without control characters."
    done
    [[ ${DATABASE_URL:-postgres://} =~ ^(postgres|postgresql|sqlite):// ]] ||
        fail "DATABASE_URL must look like postgres://user:password@host:5432/name."
    file=${DATABASE_URL:-} file=${file#sqlite:///} file=${file%%\?*}
    [[ ${DATABASE_URL:-} != sqlite:* || ($file == /* && $file != *%* && $(realpath -ms "$file") == "$DATA"/*) ]] ||
        fail "DATABASE_URL must name a file in $DATA, the only folder that the services may write to: sqlite:///$DATA/db.sqlite3."
    [[ ${REDIS_URL:-redis://} =~ ^(rediss?|unix):// ]] ||
        fail "REDIS_URL must look like redis://:password@host:6379/0."
    [[ -z ${REDIS_URL:-} || ! -e $SETTINGS/secrets/redis.conf || $REDIS_URL == "$(secret REDIS_URL)" ]] ||
        fail "QwenCam has a Redis of its own here: leave REDIS_URL out, or remove $SETTINGS/secrets/redis.conf and disable qwen-redis first."
    for name in DATABASE_URL REDIS_URL VLLM_API_KEY TURN_SECRET EMAIL_HOST_PASSWORD; do
        [[ $ACTION == install || -z ${!name:-} || ${!name} == "$(secret "$name")" ]] ||
            fail "--upgrade changes no secrets: leave $name out, and give it to install.sh without --upgrade."
    done
    [[ -z ${VLLM_BASE_URL:-} ]] || { [[ $VLLM_BASE_URL =~ ^$url(,\ *$url)*$ ]] && is_plain "$VLLM_BASE_URL"; } ||
        fail "VLLM_BASE_URL must look like http://gpu-host:8100/v1, several with commas between, not '$VLLM_BASE_URL'."
    [[ -z ${VLLM_PORT:-} ]] || { is_port "$VLLM_PORT" && ((VLLM_PORT >= 1024)); } ||
        fail "VLLM_PORT must be a port from 1024 to 65535, not '$VLLM_PORT': the services have no right to lower ones."
    { [[ ${MODEL_NAME:-} != -* ]] && is_plain "${MODEL_NAME:-}"; } ||
        fail "MODEL_NAME must not begin with a dash, nor have quotes, backslashes or blanks at its ends: '$MODEL_NAME'."
    [[ ${MODEL_MAX_TOKENS:-512} =~ ^([1-9][0-9]{3,5}|1000000|[6-9][0-9]{2}|5[2-9][0-9]|51[2-9])$ ]] ||
        fail "MODEL_MAX_TOKENS must be a whole number from 512 to 1000000, not '$MODEL_MAX_TOKENS'."
    [[ ${TENSOR_PARALLEL_SIZE:-1} =~ ^([1-9][0-9]{0,2}|10[01][0-9]|102[0-4])$ ]] ||
        fail "TENSOR_PARALLEL_SIZE must be a whole number from 1 to 1024, not '$TENSOR_PARALLEL_SIZE'."
    [[ ${MODEL_DTYPE:-auto} =~ ^(auto|half|float16|bfloat16|float|float32)$ ]] ||
        fail "MODEL_DTYPE must be auto, bfloat16, float16 or float32, not '$MODEL_DTYPE'."
    [[ ${GPU_MEMORY_UTILIZATION:-1} =~ ^(1(\.0*)?|0?\.[0-9]*[1-9][0-9]*)$ ]] ||
        fail "GPU_MEMORY_UTILIZATION must be above 0 and at most 1, such as 0.9, not '$GPU_MEMORY_UTILIZATION'."
}

# choose_vllm: by the host's GPU, where --vllm is not given.
choose_vllm() {
    if [[ -n $VLLM ]]; then
        :
    elif [[ -n ${VLLM_BASE_URL:-} ]]; then
        VLLM=none
    elif [[ -e $DEVICES/kfd ]]; then
        VLLM=rocm
    elif [[ -e $DEVICES/nvidiactl ]]; then
        VLLM=cuda
    else
        VLLM=cpu
    fi
    # What is there already may be out of order for a while.
    [[ $VLLM_OPTION != cuda || -e $DEVICES/nvidiactl ]] ||
        fail "--vllm cuda needs an NVIDIA GPU with its driver, and $DEVICES/nvidiactl is missing: leave --vllm out to use what there is."
    [[ $VLLM_OPTION != rocm || -e $DEVICES/kfd ]] ||
        fail "--vllm rocm needs an AMD GPU with its driver, and $DEVICES/kfd is missing: leave --vllm out to use what there is."
    [[ $VLLM != cpu || ${TENSOR_PARALLEL_SIZE:-1} == 1 ]] ||
        fail "TENSOR_PARALLEL_SIZE must be 1 without a GPU, not '$TENSOR_PARALLEL_SIZE'."
    [[ $VLLM == none || -n $MODEL || -e $SETTINGS/qwencam.env ]] ||
        fail "Say which model to serve: --model qwen2.5-vl-32b on a large GPU, --model demo to try it out, or VLLM_BASE_URL for a server there is."
    [[ $VLLM != none || -z $MODEL ]] ||
        fail "--model is what vLLM serves here, and none is started: say by MODEL_NAME what that other server calls its model."
}

# check_folders: those that options name have in them what they are needed for.
check_folders() {
    if [[ -n $ENVIRONMENT ]]; then
        "$ENVIRONMENT/bin/python" -B -P -c 'import aiortc, celery, daphne, django' 2>/dev/null ||
            fail "--environment has no Python that imports what requirements.txt names: $ENVIRONMENT."
        need_visible --environment "$ENVIRONMENT"
        need_visible --environment "$ENVIRONMENT/bin/python"
    fi
    if [[ $VLLM == /* ]]; then
        [[ -x $VLLM/bin/python ]] || fail "--vllm names a folder without bin/python: $VLLM."
        need_visible --vllm "$VLLM"
        need_visible --vllm "$VLLM/bin/python"
    fi
    if [[ $MODEL == /* ]]; then
        [[ -f $MODEL/config.json ]] || fail "--model names a folder without a checkpoint: $MODEL/config.json is missing."
        need_visible --model "$MODEL"
        need_readable "$MODEL"
    fi
}

# need_visible OPTION PATH: the services have no homes, and a /tmp of their own; nor have they what a
# link leads to there.
need_visible() {
    local path
    for path in "$(realpath -ms "$2")" "$(readlink -m "$2")"; do
        case $path in
            /root/* | /home/* | /run/user/* | /tmp/* | /var/tmp/*)
                fail "$1: the services can't see $path, which is in a home or in /tmp: move it to /srv, say."
                ;;
        esac
    done
}

# need_readable FOLDER: by the model server's user; before there is one, by anybody.
need_readable() {
    local user=qwen-vllm unreadable
    id -u "$user" >/dev/null 2>&1 || user=nobody
    unreadable=$(setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- \
        env -C / find -L "$1/" -maxdepth 1 ! -readable -print -quit 2>&1) || unreadable=${unreadable:-$1}
    [[ -z $unreadable ]] ||
        fail "The model server's user can't read $1: chmod -R a+rX it, and chmod a+x the folders above."
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
    need_different_ports "$others"
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

# need_different_ports LINES: of what listens here, as other_ports prints it. VLLM_BASE_URL names our own
# model server once more.
need_different_ports() {
    local number whose
    local -A taken=()
    while read -r number whose; do
        [[ $whose != *VLLM_BASE_URL* ]] || continue
        [[ ! -v taken[$number] ]] ||
            fail "Port $number can't be that of ${taken[$number]} and that of $whose: choose another for one of them."
        taken[$number]=$whose
    done <<<"$1"
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
