# Installing, upgrading and going back: what happens in which order, the database in the midst of it.
# shellcheck shell=bash

# What is left of an upgrade that was cut off, a power failure say: the next call goes back first.
UPGRADE_NOTE=$SETTINGS/upgrade-under-way
BACKUP=

# manage RELEASE ARGUMENTS...
manage() { run "$1/deploy/install/manage.sh" "${@:2}"; }

current_release() { readlink "$CURRENT" 2>/dev/null || true; }

# new_backup: prints a name that says when and of which release.
new_backup() { printf '%s/backups/%s-%s\n' "$DATA" "$(date -u +%Y%m%dT%H%M%SZ)" "$(basename "$(current_release)")"; }

install_platform() {
    local before
    choose_vllm
    end_cut_off_upgrade
    name_release
    [[ ! -L $CURRENT || $(current_release) == "$RELEASE" ]] ||
        fail "$(basename "$(current_release)") is installed in $PREFIX: --upgrade goes on to $(basename "$RELEASE")."
    check_model_fits
    before=$(cksum "$SETTINGS/qwencam.env" 2>/dev/null) || before=
    make_users
    write_secrets
    write_settings
    write_installation
    prepare_release
    download_model
    step "Units in $UNITS"
    install_units "$RELEASE"
    step "Database"
    manage "$RELEASE" migrate --verbosity 0
    OPERATOR=$(manage "$RELEASE" create_operator)
    [[ $DRY_RUN == false ]] || say "$OPERATOR"
    link_current "$RELEASE"
    enable_units
    if [[ -n $before && $before != "$(cksum "$SETTINGS/qwencam.env")" ]]; then
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
    [[ $OPERATOR == *unchanged ]] || say "$OPERATOR   (shown only now)"
    say "Further users: qwencam-manage create_invitation. Settings: $SETTINGS/qwencam.env, then systemctl restart qwencam.target."
    [[ $url != https:* ]] ||
        say "What remains: HTTPS for $url by a proxy (deploy/nginx.conf), and the UDP ports of ICE_PORT_RANGE in the firewall."
}

upgrade() {
    local old needed
    choose_vllm
    end_cut_off_upgrade
    name_release
    old=$(current_release)
    if [[ $old == "$RELEASE" ]]; then
        say "$(basename "$RELEASE") is installed already: nothing to upgrade."
        return
    fi
    make_users
    write_settings
    prepare_release
    download_model
    step "Do the settings suit $(basename "$RELEASE")?"
    manage "$RELEASE" check || fail "They don't: see above. Nothing has changed."
    # Whatever was well before must be well afterwards.
    needed=$([[ $DRY_RUN == true ]] || health list)
    BACKUP=$(new_backup)
    if [[ $DRY_RUN == false ]]; then
        printf '%s\n' "GO_BACK_TO=$old" "BACKUP=$BACKUP" | write "$UPGRADE_NOTE" 0600
        GO_BACK_TO=$old
    fi
    stop_services
    step "Back the database up to $BACKUP"
    manage "$old" backup_database "$BACKUP"
    step "Database of the new release"
    manage "$RELEASE" migrate --verbosity 0
    switch_to "$RELEASE" "$old" || fail "A service of the new release does not start: journalctl -u 'qwen-*' says why."
    wait_until_healthy "$needed"
    GO_BACK_TO=
    run rm -f "$UPGRADE_NOTE"
    step "Remove releases older than the one before"
    remove_old_releases "$old"
    say "Upgraded to $(basename "$RELEASE"). The database as it was: $BACKUP"
}

# switch_to RELEASE FROM: the services of that release, the model server only if it is another.
switch_to() {
    link_current "$1" && install_units "$1" && enable_units || return
    if [[ $VLLM != none && $(vllm_parts "$1") != "$(vllm_parts "$2")" ]]; then
        step "Restart the model server: it has changed"
        run systemctl restart qwen-vllm.service || return
    fi
    start_services
}

# go_back: the release before, and the database as it was when that one stopped.
go_back() {
    local failed
    step "Go back to $(basename "$GO_BACK_TO")"
    failed=$(current_release)
    stop_services || return
    if [[ -e $BACKUP ]]; then
        manage "$GO_BACK_TO" restore_database "$BACKUP" || return
    fi
    switch_to "$GO_BACK_TO" "$failed" || return
    health wait --need database,redis,workers --seconds "$HEALTH_SECONDS" || return
    rm -f "$UPGRADE_NOTE"
    say "$(basename "$GO_BACK_TO") runs again; nothing was lost."
    GO_BACK_TO=
}

end_cut_off_upgrade() {
    local name value
    [[ -e $UPGRADE_NOTE ]] || return 0
    if [[ $DRY_RUN == true ]]; then
        say "An upgrade was cut off: its release and its database would be gone back from first."
        return
    fi
    while IFS='=' read -r name value; do
        case $name in GO_BACK_TO | BACKUP) printf -v "$name" %s "$value" ;; esac
    done <"$UPGRADE_NOTE"
    go_back || fail "An upgrade was cut off, and going back failed: see above."
}

backup() {
    BACKUP=$(new_backup)
    step "Back the database up"
    manage "$CURRENT" backup_database "$BACKUP"
}

restore() {
    local copy=$DATA/backups/.restoring
    [[ -r $BACKUP_FILE ]] || fail "--restore names no file that can be read: $BACKUP_FILE."
    case $(head -c 5 "$BACKUP_FILE" | tr -d '\0') in
        PGDMP | SQLit) ;;
        *) fail "$BACKUP_FILE is no backup: --backup and --upgrade write such, in $DATA/backups." ;;
    esac
    end_cut_off_upgrade
    # The commands run as the services' user, who may not read files of others.
    run install -o qwencam -g qwencam -m 0600 "$BACKUP_FILE" "$copy"
    stop_services
    BACKUP=$(new_backup)
    step "Back the database up as it is now"
    manage "$CURRENT" backup_database "$BACKUP"
    step "Restore $BACKUP_FILE"
    if ! manage "$CURRENT" restore_database "$copy" || ! manage "$CURRENT" migrate --verbosity 0; then
        manage "$CURRENT" restore_database "$BACKUP"
        start_services
        fail "It could not be restored: the database is as it was."
    fi
    run rm -f "$copy"
    start_services || fail "A service does not start: journalctl -u 'qwen-*' -n 50 says why."
    wait_until_healthy database,redis,workers
    say "Restored. The database as it was before: $BACKUP"
}
