# --uninstall: everything of ours, in the order in which nothing is used any more.
# shellcheck shell=bash

uninstall() {
    local unit group folder
    step "Stop and disable the services"
    # Patterns match what is loaded, so that a second call finds nothing to do.
    run systemctl stop 'qwen-webrtc@*.service'
    run systemctl stop 'qwen-worker.servic[e]' 'qwen-beat.servic[e]' 'qwen-vllm.servic[e]' 'qwen-redis.servic[e]' 'qwencam.targe[t]'
    for unit in $(enabled_web_units) qwen-worker.service qwen-beat.service qwen-vllm.service qwen-redis.service qwencam.target; do
        [[ ! -e $UNITS/$unit && $unit != *@* ]] || run systemctl disable -q "$unit"
    done
    step "Remove units and program"
    run rm -rf "$UNITS"/qwen-{webrtc@,worker,beat,vllm,redis}.service "$UNITS"/qwencam.target{,.wants}
    run rm -f /usr/local/sbin/qwencam-manage /etc/tmpfiles.d/qwencam.conf /etc/sysusers.d/qwencam.conf
    run systemctl daemon-reload
    run systemctl reset-failed
    run rm -rf "$PREFIX"/{releases,environments,logs,current,current.new} /var/cache/qwen-vllm
    run rm -f "$PREFIX/bin/redis-server" "$UPGRADE_NOTE" "$SETTINGS_BEFORE"
    for folder in "$PREFIX/bin" "$PREFIX"; do
        [[ ! -d $folder ]] || run rmdir --ignore-fail-on-non-empty "$folder"
    done
    if [[ $PURGE == false ]]; then
        say "Kept: settings and secrets in $SETTINGS, data and backups in $DATA, models in /var/lib/qwen-vllm, and the users they belong to. --uninstall --purge removes these too."
        return
    fi
    step "Remove settings, data and users"
    run rm -rf "$SETTINGS" "$DATA" /var/lib/qwen-vllm
    for unit in qwencam qwen-vllm; do
        ! getent passwd "$unit" >/dev/null || run userdel "$unit"
        ! getent group "$unit" >/dev/null || run groupdel "$unit"
    done
    for group in $MADE_GROUPS; do
        ! getent group "$group" >/dev/null || run groupdel "$group"
    done
    say "Nothing is left here. A PostgreSQL database or a Redis of your own is as it was."
}
