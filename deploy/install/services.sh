# The systemd units of a release: installed, started, stopped in the order that loses nothing.
# shellcheck shell=bash

UNITS=/etc/systemd/system

make_users() {
    local group
    step "Users qwencam and qwen-vllm, their folders"
    for group in render video; do
        getent group "$group" >/dev/null || MADE_GROUPS="$MADE_GROUPS $group"
    done
    write /etc/sysusers.d/qwencam.conf 0644 <"$SOURCE/deploy/systemd/qwencam.sysusers.conf"
    write /etc/tmpfiles.d/qwencam.conf 0644 <"$SOURCE/deploy/systemd/qwencam.tmpfiles.conf"
    run systemd-sysusers /etc/sysusers.d/qwencam.conf
    run systemd-tmpfiles --create /etc/tmpfiles.d/qwencam.conf
}

# install_units RELEASE: with the prefix in place of the default one.
install_units() {
    local unit release=$1
    [[ -e $release ]] || release=$SOURCE # Nothing is there yet in a dry run.
    for unit in "$release"/deploy/systemd/*.{service,target}; do
        sed "s|/opt/qwencam|$PREFIX|g" "$unit" | write "$UNITS/$(basename "$unit")" 0644
    done
    run install -d /usr/local/sbin
    run ln -sfn "$CURRENT/deploy/install/manage.sh" /usr/local/sbin/qwencam-manage
    run systemctl daemon-reload
}

# web_ports: prints the ports of the web servers that --web-ports asks for, or of those there are.
web_ports() {
    if [[ -n $WEB_PORTS ]]; then
        printf '%s\n' "$WEB_PORTS"
    else
        enabled_ports | grep . || printf '8000\n'
    fi
}

web_units() {
    local port
    for port in $(web_ports); do printf 'qwen-webrtc@%s.service\n' "$port"; done
}

enabled_web_units() {
    { find "$UNITS/qwencam.target.wants" -name 'qwen-webrtc@*' -printf '%f\n' 2>/dev/null || true; } | sort
}

enabled_ports() { enabled_web_units | sed -E 's/.*@([0-9]+)[.].*/\1/' | paste -sd ' '; }

model_and_redis() {
    [[ $VLLM == none ]] || printf 'qwen-vllm.service\n'
    [[ $OWN_REDIS == false && ! -e $SETTINGS/secrets/redis.conf ]] || printf 'qwen-redis.service\n'
}

enable_units() {
    local unit units
    step "Services start with the host"
    mapfile -t units < <(model_and_redis; web_units)
    for unit in $(enabled_web_units); do
        [[ " ${units[*]} " == *" $unit "* ]] || run systemctl disable -q --now "$unit"
    done
    [[ $VLLM != none || ! -e $UNITS/qwencam.target.wants/qwen-vllm.service ]] || run systemctl disable -q --now qwen-vllm.service
    run systemctl enable -q qwencam.target qwen-worker.service qwen-beat.service "${units[@]}"
}

# link_current RELEASE: in one step, so that there is always one.
link_current() {
    run ln -sfn "$1" "$CURRENT.new"
    run mv -T "$CURRENT.new" "$CURRENT"
}

# start_services: those that run already stay as they are.
start_services() {
    local units others
    step "Start"
    mapfile -t units < <(web_units)
    mapfile -t others < <(model_and_redis)
    run systemctl reset-failed 'qwen-*' 2>/dev/null || true
    ((${#others[@]} == 0)) || run systemctl start "${others[@]}" || return
    run systemctl start qwen-beat.service qwen-worker.service "${units[@]}" || return
    run systemctl start qwencam.target
}

# stop_services: web servers first, which finish the answers under way while the worker still gives
# them; then the worker, which finishes what it is giving. Redis and the model server stay: what waits
# in Redis is answered afterwards.
stop_services() {
    step "Stop: answers under way are finished first"
    run systemctl stop 'qwen-webrtc@*.service' || return
    run systemctl stop qwen-worker.service qwen-beat.service
}

# health COMMAND ARGUMENTS...: deploy/install/health.py about the web servers of this host.
health() {
    local urls=() unit port scheme=http host name
    [[ -z $(setting SSL_CERT_PATH) ]] || scheme=https
    host=$(setting HOST) name=$(setting ALLOWED_HOSTS)
    case $host in
        '' | 0.0.0.0) host=127.0.0.1 ;;
        ::) host="[::1]" ;;
        *:*) host="[$host]" ;;
    esac
    # One name that the platform answers to; the setting may be a pattern.
    name=${name%%,*} name=${name# } name=${name#.} name=${name/\*/localhost}
    while read -r unit; do
        port=${unit#*@} port=${port%.service}
        urls+=(--url "$scheme://$host:$port/health")
    done < <(web_units)
    "$CURRENT/.venv/bin/python" "$CURRENT/deploy/install/health.py" "$@" --host "${name:-localhost}" "${urls[@]}"
}

# vllm_parts RELEASE: prints what the model server is started from.
vllm_parts() {
    (cd "$1" && readlink -f .venv-vllm && find scripts/start_vllm_server.sh deploy/models deploy/demo_model/checkpoint \
        deploy/systemd/qwen-vllm.service deploy/systemd/watchdog.py -type f ! -name '*.pyc' -print0 2>/dev/null |
        LC_ALL=C sort -z | xargs -0 sha256sum)
}
