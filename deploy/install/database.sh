# Installing, upgrading and going back: what happens in which order, the database in the midst of it.
# shellcheck shell=bash

# What is left of an upgrade that was cut off, a power failure say: the next call ends it first.
UPGRADE_NOTE=$SETTINGS/upgrade-under-way
SETTINGS_BEFORE=$SETTINGS/.qwencam.env.before-upgrade
BACKUP=
# Of the release that is upgraded: what --web-ports and --vllm may have changed.
WEB_PORTS_BEFORE=
VLLM_BEFORE=
MODEL_CHANGED=false # Do the model server's settings change?
# shellcheck disable=SC2034  # finish asks.
SETTINGS_CHANGED=false

# manage RELEASE ARGUMENTS...
manage() { run "$1/deploy/install/manage.sh" "${@:2}"; }

# shellcheck disable=SC2153  # CURRENT is options.sh's.
current_release() { readlink "$CURRENT" 2>/dev/null || true; }

# new_backup: prints a name that says when and of which release.
new_backup() {
    local name same='' number=1
    name=$DATA/backups/$(date -u +%Y%m%dT%H%M%SZ)-$(basename "$(current_release)")
    while [[ -e $name$same ]]; do same=.$((++number)); done
    printf '%s\n' "$name$same"
}

install_platform() {
    local before=''
    end_cut_off_upgrade
    name_release
    [[ ! -L $CURRENT || $(current_release) == "$RELEASE" ]] ||
        fail "$(basename "$(current_release)") is installed in $PREFIX: --upgrade goes on to $(basename "$RELEASE")."
    check_model_fits
    [[ ! -e $SETTINGS/qwencam.env ]] || before=$(settings_sum)
    make_users
    write_installation
    prepare_release
    check_stores
    write_secrets
    write_settings
    prepare_redis
    download_model
    step "Units in $UNITS"
    install_units "$RELEASE"
    step "Database"
    manage "$RELEASE" migrate --verbosity 0
    OPERATOR=$(manage "$RELEASE" create_operator)
    [[ $DRY_RUN == false ]] || say "$OPERATOR"
    link_current "$RELEASE"
    enable_units
    if [[ -n $before && $before != "$(settings_sum)" ]]; then
        step "Restart with the new settings"
        run systemctl try-restart 'qwen-webrtc@*.service' qwen-worker.service qwen-beat.service qwen-vllm.service
    fi
    start_services || fail "A service does not start: journalctl -u 'qwen-*' -n 50 says why."
    wait_until_healthy "database,redis,workers,vllm"
    [[ $DRY_RUN == true ]] || tell_what_remains
}

wait_until_healthy() {
    step "Wait for /health ($HEALTH_SECONDS s at most)"
    [[ $DRY_RUN == true ]] || health wait --need "$1" --seconds "$HEALTH_SECONDS" ||
        fail "Not healthy: journalctl -u 'qwen-*' -n 50 and qwencam-manage qwencam_doctor say why."
}

tell_what_remains() {
    local url
    url=$(setting PUBLIC_URL)
    say "QwenCam $(basename "$RELEASE") runs: $url/"
    [[ $OPERATOR != *": password "* ]] || say "$OPERATOR   (shown only now)"
    say "Further users: qwencam-manage create_invitation. Settings: $SETTINGS/qwencam.env, then systemctl restart qwencam.target."
    [[ $url != https:* ]] ||
        say "What remains: HTTPS for $url by a proxy (deploy/nginx.conf), and the UDP ports of ICE_PORT_RANGE in the firewall."
}

upgrade() {
    local old needed
    end_cut_off_upgrade
    name_release
    old=$(current_release)
    if [[ $old == "$RELEASE" ]]; then
        say "$(basename "$RELEASE") is installed already: nothing to upgrade."
        return
    fi
    check_model_fits
    make_users
    prepare_release
    prepare_redis
    download_model
    # Whatever was well before must be well afterwards.
    needed=$([[ $DRY_RUN == true ]] || WEB_PORTS='' health list)
    write "$SETTINGS_BEFORE" 0644 <"$SETTINGS/qwencam.env"
    SETTINGS_CHANGED=$([[ $DRY_RUN == true ]] && echo false || echo true)
    write_settings
    WEB_PORTS_BEFORE=$(enabled_ports) VLLM_BEFORE=${INSTALLED_VLLM:-$VLLM}
    ! model_settings_changed || MODEL_CHANGED=true
    step "Do the settings suit $(basename "$RELEASE")?"
    manage "$RELEASE" check || fail "They don't: see above. Nothing has changed."
    note_upgrade "$old"
    [[ $DRY_RUN == true ]] || GO_BACK_TO=$old
    stop_services
    BACKUP=$(new_backup)
    step "Back the database up to $BACKUP"
    manage "$old" backup_database "$BACKUP"
    note_upgrade "$old" "$BACKUP"
    step "Database of the new release"
    manage "$RELEASE" migrate --verbosity 0
    switch_to "$RELEASE" "$old" || fail "A service of the new release does not start: journalctl -u 'qwen-*' says why."
    wait_until_healthy "$needed"
    GO_BACK_TO=''
    # shellcheck disable=SC2034  # finish asks.
    SETTINGS_CHANGED=false
    write_installation
    run rm -f "$UPGRADE_NOTE" "$SETTINGS_BEFORE"
    step "Remove releases older than the one before"
    remove_old_releases "$old"
    say "Upgraded to $(basename "$RELEASE"). The database as it was: $BACKUP"
}

# note_upgrade OLD [BACKUP]: what the next call needs to know if this one is cut off. The backup is
# named only from when the database changes until it is as it was.
note_upgrade() {
    printf '%s\n' "GO_BACK_TO=$1" "BACKUP=${2:-}" "WEB_PORTS_BEFORE=$WEB_PORTS_BEFORE" "VLLM_BEFORE=$VLLM_BEFORE" \
        "WEB_PORTS_AFTER=$WEB_PORTS" "VLLM_AFTER=$VLLM" "ENVIRONMENT_AFTER=$ENVIRONMENT" | write "$UPGRADE_NOTE" 0600
}

# model_settings_changed: is the model server told something else than before the upgrade?
model_settings_changed() {
    [[ -e $SETTINGS_BEFORE ]] || return 1
    local lines='^(MODEL_|VLLM_[^B]|GPU_MEMORY|TENSOR_|FRAME_MAX_EDGE)' # VLLM_BASE_URL is the platform's.
    [[ $(grep -E "$lines" "$SETTINGS_BEFORE") != "$(grep -E "$lines" "$SETTINGS/qwencam.env")" ]]
}

settings_as_before() { [[ ! -e $SETTINGS_BEFORE ]] || mv -T "$SETTINGS_BEFORE" "$SETTINGS/qwencam.env"; }

# switch_to RELEASE FROM: the services of that release, the model server only if it is another.
switch_to() {
    link_current "$1" && install_units "$1" && enable_units || return
    if [[ $VLLM != none ]] && { [[ $MODEL_CHANGED == true ]] || [[ $(vllm_parts "$1") != "$(vllm_parts "$2")" ]]; }; then
        step "Restart the model server: it has changed"
        run systemctl restart qwen-vllm.service || return
    fi
    start_services
}

# go_back: the release before with its web servers and its model server, and the database as it was when
# that one stopped. What has been written since is in a backup of its own.
go_back() {
    local failed present='' WEB_PORTS=${WEB_PORTS_BEFORE:-$WEB_PORTS} VLLM=${VLLM_BEFORE:-$VLLM}
    step "Go back to $(basename "$GO_BACK_TO")"
    failed=$(current_release)
    stop_services || return
    if [[ -e $BACKUP ]]; then
        present=$(new_backup)
        if ! manage "$GO_BACK_TO" backup_database "$present"; then
            start_services || true
            return 1
        fi
        manage "$GO_BACK_TO" restore_database "$BACKUP" || return
        # Once: what is written from now on is not undone, whatever fails below.
        note_upgrade "$GO_BACK_TO" || return
        BACKUP=
    fi
    settings_as_before || return
    switch_to "$GO_BACK_TO" "$failed" || return
    health wait --need database,redis,workers --seconds "$HEALTH_SECONDS" || return
    rm -f "$UPGRADE_NOTE"
    say "$(basename "$GO_BACK_TO") runs again; nothing was lost."
    [[ -z $present ]] || say "The database as it was before going back: $present"
    GO_BACK_TO=
}

# end_cut_off_upgrade: to its end where the new release is there and well, else back.
end_cut_off_upgrade() {
    local name value old='' backup='' current WEB_PORTS_AFTER='' VLLM_AFTER='' ENVIRONMENT_AFTER=''
    [[ -e $UPGRADE_NOTE || -e $SETTINGS_BEFORE ]] || return 0
    if [[ $DRY_RUN == true ]]; then
        say "An upgrade was cut off: it would be ended first, or gone back from where it is not well."
        return
    fi
    if [[ ! -e $UPGRADE_NOTE ]]; then # Nothing but the settings had changed.
        settings_as_before
        return
    fi
    while IFS='=' read -r name value; do
        case $name in
            GO_BACK_TO) old=$value ;;
            BACKUP) backup=$value ;;
            WEB_PORTS_BEFORE | VLLM_BEFORE | WEB_PORTS_AFTER | VLLM_AFTER | ENVIRONMENT_AFTER) printf -v "$name" %s "$value" ;;
        esac
    done <"$UPGRADE_NOTE"
    ! model_settings_changed || MODEL_CHANGED=true
    [[ -d $old ]] ||
        fail "$UPGRADE_NOTE names no release to go back to: see that $CURRENT is the one you want, and remove that file."
    current=$(current_release)
    # Without a backup the database is the old release's again.
    if [[ $current != "$old" && -d $current && -e $backup ]]; then
        step "End the upgrade to $(basename "$current"), which was cut off"
        if end_upgrade "$current" "$old"; then
            rm -f "$UPGRADE_NOTE" "$SETTINGS_BEFORE"
            read_installation
            say "Upgraded to $(basename "$current"). The database as it was: $backup"
            return
        fi
    fi
    # shellcheck disable=SC2034  # finish's.
    GO_BACK_TO=$old BACKUP=$backup
    if ! go_back; then
        GO_BACK_TO= # Once is enough.
        fail "An upgrade was cut off, and going back failed: see above."
    fi
}

# end_upgrade RELEASE FROM: as it was asked for.
end_upgrade() {
    local WEB_PORTS=${WEB_PORTS_AFTER:-} VLLM=${VLLM_AFTER:-$VLLM} ENVIRONMENT=${ENVIRONMENT_AFTER:-$ENVIRONMENT}
    manage "$1" migrate --verbosity 0 && switch_to "$1" "$2" &&
        health wait --need database,redis,workers --seconds "$HEALTH_SECONDS" && write_installation
}

backup() {
    BACKUP=$(new_backup)
    step "Back the database up"
    manage "$CURRENT" backup_database "$BACKUP"
}

# as_services COMMAND...: with the rights of the services' user.
as_services() { setpriv --reuid qwencam --regid qwencam --init-groups -- "$@"; }

# restore: the file may lie where the services' user can change it, so root opens it once, and writes
# nothing there.
restore() {
    local copy='' file=$BACKUP_FILE opened content
    [[ -f $file && -r $file ]] || fail "--restore names no file that can be read: $file."
    exec {opened}<"$file"
    content=/proc/$BASHPID/fd/$opened
    case $(head -c 5 "$content" | tr -d '\0') in
        PGDMP | SQLit) ;;
        *) fail "$file is no backup: --backup and --upgrade write such, in $DATA/backups." ;;
    esac
    if ! as_services test -r "$file"; then
        copy=$DATA/backups/.restoring
        [[ $(readlink "$content") == "$file" ]] ||
            fail "$file is reached by a link: give the path of the file itself, $(readlink -m "$file")."
    fi
    end_cut_off_upgrade
    if [[ -n $copy ]]; then
        file=$copy
        # shellcheck disable=SC2016  # sh's own.
        run as_services sh -c 'umask 077 && rm -rf "$1" && cat >"$1"' sh "$copy" <&"$opened" ||
            fail "$copy can't be written: see above. Nothing has changed."
    fi
    exec {opened}<&-
    step "Is $BACKUP_FILE whole?"
    if ! manage "$CURRENT" restore_database --check "$file"; then
        [[ -z $copy ]] || as_services rm -f "$copy" || true
        fail "It can't be restored: the database is as it was, and nothing was stopped."
    fi
    stop_services
    BACKUP=$(new_backup)
    step "Back the database up as it is now"
    if ! manage "$CURRENT" backup_database "$BACKUP"; then
        start_services || true
        [[ -z $copy ]] || as_services rm -f "$copy" || true
        fail "It could not be backed up, so nothing was restored: see above."
    fi
    step "Restore $BACKUP_FILE"
    if ! manage "$CURRENT" restore_database "$file" || ! manage "$CURRENT" migrate --verbosity 0; then
        manage "$CURRENT" restore_database "$BACKUP"
        start_services || true
        [[ -z $copy ]] || as_services rm -f "$copy" || true
        fail "It could not be restored: the database is as it was."
    fi
    [[ -z $copy ]] || run as_services rm -f "$copy"
    start_services || fail "A service does not start: journalctl -u 'qwen-*' -n 50 says why."
    wait_until_healthy database,redis,workers
    say "Restored. The database as it was before: $BACKUP"
}
