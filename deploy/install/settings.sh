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
    local name password port
    step "Secrets in $SETTINGS/secrets"
    keep_secret DJANGO_SECRET_KEY "$(random_text)"
    keep_secret JWT_SECRET_KEY "$(random_text)"
    keep_secret DATABASE_URL "${DATABASE_URL:-sqlite:///$DATA/db.sqlite3}"
    if [[ -z ${REDIS_URL:-} && ! -s $SETTINGS/secrets/REDIS_URL ]]; then
        password=$(random_text) port=$(free_port)
        write_redis_conf "$SCRATCH/redis.conf" "$port" "$password"
        sed -i 's|^dir .*|dir /run/qwen-redis|' "$SCRATCH/redis.conf"
        write "$SETTINGS/secrets/redis.conf" 0600 <"$SCRATCH/redis.conf"
        REDIS_URL=redis://:$password@127.0.0.1:$port/0
        # shellcheck disable=SC2034  # model_and_redis asks.
        OWN_REDIS=true
    fi
    keep_secret REDIS_URL "${REDIS_URL:-}"
    [[ -n ${VLLM_API_KEY:-} || $VLLM == none ]] || VLLM_API_KEY=$(random_text)
    for name in VLLM_API_KEY TURN_SECRET EMAIL_HOST_PASSWORD; do
        keep_secret "$name" "${!name:-}"
    done
}

# write_settings: at first from the example; later only what an option of this call says.
write_settings() {
    local base=$SETTINGS/qwencam.env name url=$PUBLIC_URL_OPTION tls=false host port model=()
    step "Settings in $SETTINGS/qwencam.env"
    if [[ ! -e $base ]]; then
        url=${url:-http://localhost:${WEB_PORTS%% *}}
        base=$SCRATCH/example
        # Secrets have files of their own.
        grep -vE "^($(IFS='|' && echo "${SECRETS[*]}"))=" "$SOURCE/deploy/production.env.example" >"$base"
        port=${VLLM_PORT:-$(free_port 8100)}
        model+=("VLLM_PORT=$port" "VLLM_BASE_URL=${VLLM_BASE_URL:-http://127.0.0.1:$port/v1}")
        for name in MODEL_NAME MODEL_MAX_TOKENS; do [[ -z ${!name:-} ]] || model+=("$name=${!name}"); done
    fi
    mapfile -t -O "${#model[@]}" model < <(model_settings)
    if [[ -n $url ]]; then
        [[ $url == http:* ]] || tls=true
        host=${url#*://}
        [[ $host == \[* ]] && host=${host%%\]*}] || host=${host%%:*}
        model+=("PUBLIC_URL=$url" "ALLOWED_HOSTS=$host,localhost,127.0.0.1" "CSRF_TRUSTED_ORIGINS=$url"
            "HTTPS_ENABLED=$tls" "BEHIND_PROXY=$tls" "PROXY_HEADERS=$tls")
    fi
    with_settings "$base" "${model[@]}" | write "$SETTINGS/qwencam.env" 0644
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
