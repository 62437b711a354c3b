# In /etc/qwencam: settings in qwencam.env, each secret in a file of its own that root alone may read.
# shellcheck shell=bash

OWN_REDIS=false # Is one made in this call? Later its configuration is there.
SECRETS=(DJANGO_SECRET_KEY JWT_SECRET_KEY DATABASE_URL REDIS_URL VLLM_API_KEY TURN_SECRET EMAIL_HOST_PASSWORD)

random_text() { head -c 48 /dev/urandom | base64 -w 0 | tr '+/' '-_'; }

# keep_secret NAME VALUE: written once; what is there stays.
keep_secret() {
    local file=$SETTINGS/secrets/$1
    [[ ! -s $file ]] || return 0 # One that is meant to be empty has a line's end.
    printf '%s\n' "$2" | write "$file" 0600
}

# give_secret NAME DEFAULT: what this call's environment says, in place of what is there.
give_secret() {
    if [[ -z ${!1:-} ]]; then
        keep_secret "$1" "$2"
    else
        printf '%s\n' "${!1}" | write "$SETTINGS/secrets/$1" 0600
    fi
}

# secret NAME: prints what is there, nothing without one.
secret() { cat "$SETTINGS/secrets/$1" 2>/dev/null || true; }

own_database() { printf 'sqlite:///%s/db.sqlite3\n' "$DATA"; }

# settings_sum: changes with any setting and any secret.
settings_sum() { cat "$SETTINGS/qwencam.env" "$SETTINGS"/secrets/* 2>/dev/null | cksum; }

# setting NAME: prints what qwencam.env says, nothing without one.
setting() { sed -n "s/^$1=//p" "$SETTINGS/qwencam.env" 2>/dev/null | tail -n 1; }

# with_settings FILE NAME=VALUE...: prints the file with these values, in place where it names them.
with_settings() {
    local file=$1 line name pair
    local -A value=()
    shift
    for pair; do value[${pair%%=*}]=${pair#*=}; done
    while IFS= read -r line || [[ -n $line ]]; do
        name=${line%%=*}
        if [[ $line != \#* && -v value[$name] ]]; then
            line=$name=${value[$name]}
            unset "value[$name]"
        fi
        printf '%s\n' "$line"
    done <"$file"
    for pair; do
        name=${pair%%=*}
        [[ ! -v value[$name] ]] || printf '%s=%s\n' "$name" "${value[$name]}"
    done
}

# write_secrets: keys and passwords are made here; what the environment gives is taken.
write_secrets() {
    local password port
    step "Secrets in $SETTINGS/secrets"
    keep_secret DJANGO_SECRET_KEY "$(random_text)"
    keep_secret JWT_SECRET_KEY "$(random_text)"
    give_secret DATABASE_URL "$(own_database)"
    if [[ -z ${REDIS_URL:-} && ! -s $SETTINGS/secrets/REDIS_URL ]]; then
        password=$(random_text) port=$(port_of_ours $((10000 + RANDOM % 20000)))
        write_redis_conf "$SCRATCH/redis.conf" "$port" "$password"
        sed -i 's|^dir .*|dir /run/qwen-redis|' "$SCRATCH/redis.conf"
        write "$SETTINGS/secrets/redis.conf" 0600 <"$SCRATCH/redis.conf"
        REDIS_URL=redis://:$password@127.0.0.1:$port/0
        # shellcheck disable=SC2034  # model_and_redis asks.
        OWN_REDIS=true
    fi
    give_secret REDIS_URL ''
    give_secret VLLM_API_KEY "$([[ $VLLM == none ]] || random_text)"
    give_secret TURN_SECRET ''
    give_secret EMAIL_HOST_PASSWORD ''
}

# plan_settings: what qwencam.env is to say, in SCRATCH/settings. At first from the example; later as it
# is, but for what this call says.
plan_settings() {
    local base=$SETTINGS/qwencam.env name url=$PUBLIC_URL_OPTION tls=false host port model=()
    if [[ ! -e $base ]]; then
        port=$(web_ports) url=${url:-http://localhost:${port%% *}}
        base=$SCRATCH/example
        # Secrets have files of their own.
        grep -vE "^($(IFS='|' && echo "${SECRETS[*]}"))=" "$SOURCE/deploy/production.env.example" >"$base"
        VLLM_PORT=${VLLM_PORT:-$(port_of_ours 8100)} # Once: what is free may change.
        model+=("VLLM_PORT=$VLLM_PORT" "VLLM_BASE_URL=http://127.0.0.1:$VLLM_PORT/v1")
        for name in "${MODEL_SETTINGS[@]}"; do
            [[ -z ${!name:-} ]] || model+=("$name=${!name}")
        done
    fi
    if [[ -n ${VLLM_BASE_URL:-} ]]; then
        model+=("VLLM_BASE_URL=$VLLM_BASE_URL")
    elif vllm_changes && [[ $INSTALLED_VLLM == none ]]; then
        model+=("VLLM_BASE_URL=http://127.0.0.1:$(setting VLLM_PORT)/v1")
    fi
    mapfile -t -O "${#model[@]}" model < <(model_settings)
    if [[ -n $url ]]; then
        [[ $url == http:* ]] || tls=true
        host=${url#*://}
        [[ $host == \[* ]] && host=${host%%\]*}] || host=${host%%:*}
        model+=("PUBLIC_URL=$url" "ALLOWED_HOSTS=$host,localhost,127.0.0.1" "CSRF_TRUSTED_ORIGINS=$url"
            "HTTPS_ENABLED=$tls" "BEHIND_PROXY=$tls" "PROXY_HEADERS=$tls")
    fi
    with_settings "$base" "${model[@]}" >"$SCRATCH/settings"
}

# planned NAME: prints what qwencam.env is to say.
planned() { sed -n "s/^$1=//p" "$SCRATCH/settings" 2>/dev/null | tail -n 1; }

# own_server: prints where our own model server is to be.
own_server() { printf 'http://127.0.0.1:%s/v1\n' "$(planned VLLM_PORT)"; }

# vllm_changes: is there another one installed than this call asks for?
vllm_changes() { [[ -n $INSTALLED_VLLM && $VLLM != "$INSTALLED_VLLM" ]]; }

# write_settings: planned anew, since an upgrade that was cut off may have been ended meanwhile.
write_settings() {
    step "Settings in $SETTINGS/qwencam.env"
    plan_settings
    write "$SETTINGS/qwencam.env" 0644 <"$SCRATCH/settings"
}

# model_settings: what --model says, as settings.
model_settings() {
    case ${MODEL:-} in
        '') ;;
        demo) printf '%s\n' MODEL_PATH=deploy/demo_model/checkpoint MODEL_NAME=qwencam-demo MODEL_MAX_TOKENS=4096 ;;
        */*) printf '%s\n' "MODEL_PATH=$MODEL" "MODEL_NAME=$(basename "$MODEL")" ;;
        *) printf '%s\n' "MODEL_PATH=/var/lib/qwen-vllm/models/$MODEL" "MODEL_NAME=$MODEL" ;;
    esac
}

# write_installation: what later calls of this script need to know.
write_installation() {
    printf '%s\n' "INSTALLED_PREFIX=$PREFIX" "INSTALLED_VLLM=$VLLM" "INSTALLED_ENVIRONMENT=$ENVIRONMENT" "MADE_GROUPS=$MADE_GROUPS" |
        write "$SETTINGS/installation" 0644
}
