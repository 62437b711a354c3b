#!/usr/bin/env bash
# Makes what deploy/docker-compose.yml needs on this host: deploy/.env with the settings, and
# deploy/docker/secrets/ with random secrets. What is there already stays as it is.
#
#   --accelerator KIND   rocm, cuda or cpu: vLLM in a container; none: elsewhere
#   --model FOLDER       the model's folder, as scripts/download_model.sh leaves it (cpu: the demo model)
#   --model-name NAME    what it is called   (MODEL_NAME, else the folder's name)
#   --host NAME          the site's name: HTTPS by nginx (profile tls). Without: http://localhost:8000
#   --address IP         the address that browsers reach this host at: TURN by coturn (profile turn)
#   --monitoring         Prometheus and Grafana (profile monitoring)
#
# Of the environment it takes MODEL_NAME and MODEL_MAX_TOKENS, VLLM_API_KEY, and with --accelerator none
# VLLM_BASE_URL: where the model server is   (http://127.0.0.1:8100/v1)
set -euo pipefail
caller=$PWD # Folders are named from there.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/lib/say.sh
source scripts/lib/say.sh

accelerator='' model='' model_name='' host='' address='' profiles=() seen=' '
while (($#)); do
    case $1 in
    -h | --help)
        sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//p}' deploy/docker/prepare.sh
        exit
        ;;
    --monitoring) profiles+=(monitoring) && shift && continue ;;
    --accelerator | --model | --model-name | --host | --address)
        [[ -n ${2:-} && $2 != --* ]] || fail "$1 needs a value: --help says which."
        [[ $seen != *" $1 "* ]] || fail "$1 is given twice: give it once."
        seen+="$1 " name=${1#--}
        printf -v "${name//-/_}" %s "$2"
        shift 2
        ;;
    *) fail "There is no option $1: --help lists them." ;;
    esac
done
[[ $accelerator =~ ^(rocm|cuda|cpu|none)$ ]] ||
    fail "Give --accelerator rocm, cuda, cpu or none, not '$accelerator'."
label='[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
[[ -z $host || (${#host} -le 253 && $host =~ ^$label(\.$label)*$) ]] ||
    fail "--host must be a name such as camera.example.org, not '$host'."
# is_ipv4 TEXT
is_ipv4() {
    local part
    [[ $1 =~ ^(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}$ ]] || return 1
    for part in ${1//./ }; do ((part <= 255)) || return 1; done
}
# is_ipv6 TEXT: eight groups, or fewer and one "::" for the others.
is_ipv6() {
    local group='[0-9a-fA-F]{1,4}' before=${1%%::*} after=${1#*::} groups
    if [[ $1 != *::* ]]; then
        [[ $1 =~ ^($group:){7}$group$ ]]
        return
    fi
    [[ $before =~ ^($group(:$group)*)?$ && $after =~ ^($group(:$group)*)?$ ]] || return 1
    read -ra groups <<<"${before//:/ } ${after//:/ }"
    ((${#groups[@]} <= 7))
}
[[ -z $address ]] || is_ipv4 "$address" || is_ipv6 "$address" ||
    fail "--address must be an IP address such as 203.0.113.5, not '$address'."
[[ -z $address || -n $host ]] || fail "--address needs --host: coturn speaks TLS under that name."
# need_plain NAME VALUE: deploy/.env can hold it, in quotes where it must be.
need_plain() {
    [[ $2 != *[[:cntrl:]\'\\]* ]] || fail "$1 must have no control characters, apostrophes or backslashes: deploy/.env can't hold them."
}
if [[ -n $model ]]; then
    need_plain "--model" "$model"
    given=$model
    [[ $model == /* ]] || model=$caller/$model
    [[ -f $model/config.json ]] || fail "--model names no model's folder: '$given' has no config.json."
    model=$(CDPATH='' cd -- "$model" && pwd)
    need_plain "The folder of --model" "$model"
elif [[ $accelerator == rocm || $accelerator == cuda ]]; then
    fail "Give --model FOLDER: scripts/download_model.sh fetches one."
fi

model_name=${model_name:-${MODEL_NAME:-$(basename "$model")}} # Of the demo model: none.
need_plain "The model's name" "$model_name"
[[ $model_name != -* ]] || fail "The model's name must not begin with a dash: give another --model-name than '$model_name'."
[[ ${VLLM_API_KEY:-} != *[[:cntrl:]]* ]] || fail "VLLM_API_KEY must be one line without control characters."
[[ ${MODEL_MAX_TOKENS:-512} =~ ^([1-9][0-9]{3,5}|1000000|[6-9][0-9]{2}|5[2-9][0-9]|51[2-9])$ ]] ||
    fail "MODEL_MAX_TOKENS must be a whole number from 512 to 1000000, not '$MODEL_MAX_TOKENS'."
if [[ $accelerator == none ]]; then
    url="https?://[^/,[:space:]]+[^,[:space:]]*"
    [[ ${VLLM_BASE_URL:-http://x} =~ ^$url(,\ *$url)*$ ]] ||
        fail "VLLM_BASE_URL must look like http://gpu-host:8100/v1, several with commas between, not '$VLLM_BASE_URL'."
    need_plain VLLM_BASE_URL "${VLLM_BASE_URL:-}"
elif [[ -n ${VLLM_BASE_URL:-} ]]; then
    fail "VLLM_BASE_URL is for --accelerator none: with $accelerator the model server is in a container."
fi

env_file=deploy/.env secrets=deploy/docker/secrets
[[ ! -e $env_file || (-f $env_file && -r $env_file) ]] || fail "$env_file is no file that can be read: remove it and run this again."
[[ -w deploy ]] || fail "$PWD/deploy can't be written: run this as its owner."

# --- Secrets: the folder is for its owner, since files are mounted with their own permissions --------
random_text() { head -c 36 /dev/urandom | base64 | tr '+/' '-_'; }
# secret NAME TEXT: unless it is there.
secret() {
    [[ -e $secrets/$1 ]] || {
        printf '%s\n' "$2" >"$secrets/$1.partial"
        chmod 444 "$secrets/$1.partial"
        mv "$secrets/$1.partial" "$secrets/$1"
        say "Made $secrets/$1"
    }
}
{ mkdir -p "$secrets" && chmod 700 "$secrets"; } 2>/dev/null ||
    fail "$secrets must be a folder of your own: remove what is there, or run this as its owner."
for name in DJANGO_SECRET_KEY JWT_SECRET_KEY TURN_SECRET database_password grafana_password; do
    secret "$name" "$(random_text)"
done
# A server that is elsewhere has its own key, or none.
secret VLLM_API_KEY "${VLLM_API_KEY:-$([[ $accelerator == none ]] || random_text)}"
secret EMAIL_HOST_PASSWORD ''
secret DATABASE_URL "postgres://qwencam:$(<"$secrets/database_password")@127.0.0.1:15432/qwencam"
secret redis_password.conf "requirepass $(random_text)"
secret REDIS_URL "redis://:$(sed 's/^requirepass //' "$secrets/redis_password.conf")@127.0.0.1:16379/0"
if [[ -n $address ]]; then
    profiles=(turn "${profiles[@]}")
    turn=$(sed -e "s/^realm=.*/realm=$host/" -e "s/^allowed-peer-ip=.*/allowed-peer-ip=$address/" \
        deploy/coturn/turnserver.conf)
    secret turnserver.conf "${turn//THE-SAME-RANDOM-TEXT/$(<"$secrets/TURN_SECRET")}"
fi

# --- Settings ------------------------------------------------------------------------------------
[[ -z $host ]] || profiles=(tls "${profiles[@]}")
# gid GROUP: its number on this host, empty if there is none.
gid() { getent group "$1" | cut -d : -f 3; }
# quoted TEXT: as it is, or in quotes where Compose would read more into it: $, # and blanks.
quoted() { if [[ $1 =~ ^[A-Za-z0-9_./:@,+-]*$ ]]; then printf %s "$1"; else printf "'%s'" "$1"; fi; }
settings() {
    local files=docker-compose.yml
    [[ $accelerator == none ]] || files+=:docker/compose.$accelerator.yml
    cat <<ENV
# For Compose: which files and profiles are in use. docker/compose.digests.yml (docker/pin_digests.sh)
# goes behind the others.
COMPOSE_FILE=$files
COMPOSE_PROFILES=$(IFS=, && printf %s "${profiles[*]}")

# Settings of the platform: ../env.example lists them all. Secrets are in docker/secrets/.
ALLOWED_HOSTS=${host:-localhost},127.0.0.1
LOG_FORMAT=json
# The UDP ports of cameras, one each: open them in the firewall.
ICE_PORT_RANGE=40000-40200
ICE_PUBLIC_ADDRESS=$address
ENV
    if [[ $accelerator == none ]]; then
        printf '%s\n' '# Where the model server is, and what it calls the model.' \
            "VLLM_BASE_URL=$(quoted "${VLLM_BASE_URL:-http://127.0.0.1:8100/v1}")" \
            "MODEL_NAME=$(quoted "${model_name:-qwen2.5-vl-32b}")" \
            "MODEL_MAX_TOKENS=${MODEL_MAX_TOKENS:-8192}"
    elif [[ -n $model ]]; then
        printf '%s\n' "MODEL_PATH=$(quoted "$model")" "MODEL_NAME=$(quoted "$model_name")" "MODEL_MAX_TOKENS=${MODEL_MAX_TOKENS:-8192}"
    else
        printf '%s\n' '# The demo model.' "MODEL_NAME=$(quoted "${model_name:-qwencam-demo}")" "MODEL_MAX_TOKENS=${MODEL_MAX_TOKENS:-4096}"
    fi
    [[ $accelerator != rocm ]] || printf '%s\n' \
        "# Who may use the GPUs: the host's groups video and render." "VIDEO_GID=$(gid video)" "RENDER_GID=$(gid render)"
    [[ -z $host ]] || cat <<ENV
PUBLIC_URL=https://$host
HTTPS_ENABLED=true
BEHIND_PROXY=true
PROXY_HEADERS=true
# The certificate with its chain, and its key: nginx and coturn read them. After a renewal:
# docker compose restart nginx coturn
SSL_CERT_PATH=/etc/letsencrypt/live/$host/fullchain.pem
SSL_KEY_PATH=/etc/letsencrypt/live/$host/privkey.pem
ENV
    [[ -z $address ]] || printf '%s\n' \
        "ICE_SERVERS=[{\"urls\": [\"turn:$host:3478\", \"turns:$host:5349?transport=tcp\"]}]"
}
# differing: prints what the file that is there lacks of what is asked for now, as lines for it. What is
# there stays where nothing else was asked for.
differing() {
    local line name there
    local -A asked=([MODEL_MAX_TOKENS]=${MODEL_MAX_TOKENS:-} [VLLM_BASE_URL]=${VLLM_BASE_URL:-} [ALLOWED_HOSTS]=$host
        [MODEL_NAME]=$model_name [LOG_FORMAT]='' [ICE_PORT_RANGE]='' [SSL_CERT_PATH]='' [SSL_KEY_PATH]='')
    while IFS= read -r line; do
        name=${line%%=*}
        there=$(sed -n "s/^$name=//p" "$env_file" | tail -n 1)
        case $name in
        COMPOSE_FILE) [[ :$there: != *:"${line#*=}":* ]] || continue ;;
        COMPOSE_PROFILES) line=$name=$(together "$there" "${line#*=}") ;;
        *) [[ -z $there || -n ${asked[$name]-yes} ]] || continue ;;
        esac
        [[ $line == "$name=$there" || -z ${line#*=} ]] || printf '  %s\n' "$line"
    done < <(settings | grep -E '^[A-Z_]+=')
}
# together LIST LIST: prints the first one, and what only the second one has.
together() {
    local word list=$1
    for word in ${2//,/ }; do [[ ,$list, == *,$word,* ]] || list+=${list:+,}$word; done
    printf '%s\n' "$list"
}
if [[ -e $env_file ]]; then
    lines=$(differing)
    say "$env_file is there already and stays as it is.${lines:+ For what you ask for now it lacks:}"
    [[ -z $lines ]] || say "$lines"
else
    settings >"$env_file.partial"
    chmod 600 "$env_file.partial"
    mv "$env_file.partial" "$env_file"
    say "Made $env_file: read it, and change what is not yours."
fi
if [[ -n $address ]] && ! grep -qx "allowed-peer-ip=$address" "$secrets/turnserver.conf"; then
    say "$secrets/turnserver.conf is there already, for another address: remove it and run this again."
fi
if [[ -n ${VLLM_API_KEY:-} && $VLLM_API_KEY != "$(<"$secrets/VLLM_API_KEY")" ]]; then
    say "$secrets/VLLM_API_KEY is there already, with another key: remove it and run this again."
fi
say "Next: cd deploy && docker compose up -d --build"
