# One folder for each release, its Python environments beside it, `current` pointing at one of them.
# shellcheck shell=bash

# install_from_archive ARGUMENTS...: the archive's own install.sh takes over.
install_from_archive() {
    local arguments=() folder
    [[ -r $ARCHIVE ]] || fail "--from names no file that can be read: $ARCHIVE."
    folder=$(mktemp -d)
    tar -xzf "$ARCHIVE" -C "$folder" --strip-components=1 --no-same-owner 2>/dev/null ||
        fail "$ARCHIVE is no whole .tar.gz archive: download it again."
    [[ -f $folder/deploy/install.sh ]] || fail "$ARCHIVE is no release of QwenCam: it has no deploy/install.sh."
    while (($#)); do
        case $1 in
            --from) shift ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    say "From $ARCHIVE:"
    local status=0
    # shellcheck disable=SC2034  # The other one says what went wrong.
    SAID=true
    # By bash: nothing can be executed in a /tmp that is mounted noexec.
    bash "$folder/deploy/install.sh" "${arguments[@]}" || status=$?
    rm -rf "$folder"
    exit "$status"
}

# release_files: prints the names of what belongs to a release, each ended by a zero byte. Everybody can
# read a release, so nothing that this host's operator has put there belongs to it.
release_files() {
    if [[ -e $SOURCE/.git ]] && command -v git >/dev/null; then
        git -C "$SOURCE" -c safe.directory='*' ls-files -z --cached
    else
        (cd "$SOURCE" && find . \( -name '.git' -o -name '.venv*' -o -name __pycache__ -o -name '.*_cache' \
            -o -path ./var -o -path ./staticfiles -o -path ./dist -o -path ./deploy/docker/secrets \) -prune -o \
            -type f ! -name .env ! -path './db.sqlite3*' -print0)
    fi | sed -z 's|^\./||' | LC_ALL=C sort -zu | (cd "$SOURCE" && while IFS= read -r -d '' file; do
        [[ ! -f $file ]] || printf '%s\0' "$file"
    done)
}

# name_release: sets RELEASE, named by its version and by what is in it.
name_release() {
    local version sum
    version=$(sed -nE 's/^__version__ = "(.*)"/\1/p' "$SOURCE/qwencam_site/__init__.py")
    release_files >"$SCRATCH/files"
    sum=$(cd "$SOURCE" && xargs -0 sha256sum <"$SCRATCH/files" | sha256sum)
    RELEASE=$PREFIX/releases/$version-${sum:0:8}
}

prepare_release() {
    step "Release $(basename "$RELEASE") in $PREFIX/releases"
    [[ -e $RELEASE/.complete ]] || part "copy $SOURCE to $RELEASE" copy_release
    prepare_environments
    if [[ ! -e $RELEASE/.complete ]]; then
        step "Static files"
        part "collect them in $RELEASE/staticfiles" finish_release
    fi
}

copy_release() {
    rm -rf "$RELEASE"
    install -d -m 0755 "$PREFIX" "$PREFIX/releases" "$PREFIX/environments" "$PREFIX/bin" "$PREFIX/logs" "$RELEASE"
    tar -C "$SOURCE" --null -T "$SCRATCH/files" -cf - | tar -C "$RELEASE" --no-same-owner -xf -
    chmod -R u=rwX,go=rX "$RELEASE"
}

# finish_release: the services may not write here, so what Python and Django would write is made now.
finish_release() {
    local key
    key=$(random_text)
    (cd "$RELEASE" && .venv/bin/python -m compileall -q apps qwencam_site deploy manage.py &&
        env -i PATH="$PATH" DJANGO_SECRET_KEY="cookies-$key" JWT_SECRET_KEY="tokens-$key" \
            .venv/bin/python manage.py collectstatic --noinput --verbosity 0)
    sync -f "$RELEASE"
    touch "$RELEASE/.complete"
}

# service_python: prints an interpreter that the services can run: they see neither /root nor /home.
service_python() {
    local candidate
    for candidate in ${PYTHON:-} /usr/bin/python3{,.14,.13,.12,.11} /usr/local/bin/python3{,.14,.13,.12,.11}; do
        case $(readlink -f "$candidate" 2>/dev/null) in
            '' | /root/* | /home/*) continue ;;
        esac
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

need_python() {
    service_python >/dev/null && return
    run apt_install python3 python3-venv >"$SCRATCH/apt.log" 2>&1 || true
    [[ $DRY_RUN == true ]] || service_python >/dev/null ||
        fail "Python 3.11 or newer is needed in /usr/bin: install python3 and python3-venv."
}

# prepare_environments: one for each lock, so that releases share them and going back needs no network.
prepare_environments() {
    local vllm_lock
    if [[ -n $ENVIRONMENT ]]; then
        step "The platform's environment: $ENVIRONMENT"
        run ln -sfn "$ENVIRONMENT" "$RELEASE/.venv"
    else
        step "The platform's environment in $PREFIX/environments"
        need_python
        part "pip installs requirements.txt" platform_environment
    fi
    case $VLLM in
        none) ;;
        /*)
            step "vLLM's environment: $VLLM"
            run ln -sfn "$VLLM" "$RELEASE/.venv-vllm"
            ;;
        *)
            vllm_lock=$SOURCE/deploy/requirements/vllm-$VLLM.txt
            step "vLLM's environment ($VLLM) in $PREFIX/environments"
            part "pip installs $vllm_lock" vllm_environment "$(stamp_of "$vllm_lock")"
            ;;
    esac
}

# The parts in scripts/lib build the environment that VENV names, with the lock of the release.
platform_environment() {
    cd "$RELEASE" || return
    # shellcheck disable=SC2034  # with_progress's.
    LOG_DIR=$PREFIX/logs
    VENV=$PREFIX/environments/platform-$(stamp_of requirements.txt | cut -c 1-12)
    [[ -e $VENV/.installed-requirements ]] || need_disk "$PREFIX" 1500
    PYTHON=$(service_python) && export PYTHON
    install_lock "Installing the platform" requirements.txt
    ln -sfn "$VENV" .venv
}

vllm_environment() {
    cd "$RELEASE" || return
    # shellcheck disable=SC2034  # with_progress's.
    LOG_DIR=$PREFIX/logs
    # shellcheck disable=SC2034  # install_vllm's.
    VENV_VLLM=$PREFIX/environments/vllm-$VLLM-${1:0:12}
    PYTHON=$(service_python) && export PYTHON
    install_vllm "$VLLM"
    ln -sfn "$VENV_VLLM" .venv-vllm
}

# prepare_redis: the system's server or the one in the environment, at a path that outlives both.
prepare_redis() {
    [[ $OWN_REDIS == true || -e $SETTINGS/secrets/redis.conf ]] || return 0
    [[ -x $PREFIX/bin/redis-server ]] || part "copy redis-server to $PREFIX/bin" copy_redis
}

copy_redis() {
    # shellcheck disable=SC2034  # find_redis_server's.
    VENV=$RELEASE/.venv
    install -D -m 0755 "$(find_redis_server)" "$PREFIX/bin/redis-server"
}

# check_stores: the database and the Redis that are to be used, before they are written down.
check_stores() {
    step "Can the database and the Redis be used?"
    part "ask them" ask_stores || fail "Mend that, or give another DATABASE_URL or REDIS_URL, and run this again: nothing was written down."
}

# ask_stores: a Redis of our own is not running yet.
ask_stores() {
    (
        cd "$RELEASE" || exit
        export DATABASE_URL=${DATABASE_URL:-$(secret DATABASE_URL)} REDIS_URL=${REDIS_URL:-} HOME=$DATA
        DATABASE_URL=${DATABASE_URL:-$(own_database)}
        as_services .venv/bin/python -m deploy.install.stores
    )
}

# check_model_fits: before anything is downloaded, with the settings that it is to be served with;
# changes nothing, so a dry run does it too.
check_model_fits() {
    local lines
    case $MODEL in '' | demo) return ;; esac
    need_python
    step "Does this host suit $MODEL?"
    mapfile -t lines < <(grep -E '^[A-Z_]+=' "$SCRATCH/settings")
    env "${lines[@]}" PYTHONDONTWRITEBYTECODE=1 PYTHON="$(service_python)" \
        bash "$SOURCE/scripts/check_hardware.sh" --model "$MODEL" --disk /var/lib ||
        fail "It does not: mend what is named above, or choose another --model."
}

# download_client: what downloads models; root's, as the whole release.
download_client() {
    cd "$RELEASE" || return
    # shellcheck disable=SC2034  # with_progress's.
    LOG_DIR=$PREFIX/logs
    PYTHON=$(service_python) && export PYTHON
    install_download
}

# as_model_server COMMAND...: with the rights of the model server's user.
as_model_server() {
    setpriv --reuid qwen-vllm --regid qwen-vllm --init-groups --no-new-privs -- env -C / HOME=/var/lib/qwen-vllm "$@"
}

# download_model: what --model names, if it is a name. By the user whose folder it goes to: root would
# follow that user's links.
download_model() {
    local folder=/var/lib/qwen-vllm/models/$MODEL
    case $MODEL in
        '' | demo | /*) return ;;
    esac
    [[ -x $RELEASE/scripts/download_model.sh || $DRY_RUN == true ]] || fail "Models are not downloaded by this release: give a folder with --model."
    step "Model $MODEL in $folder"
    part "pip installs the download client" download_client
    if [[ -z ${HF_TOKEN:-} && -r ${HF_TOKEN_FILE:-} ]]; then
        HF_TOKEN=$(<"$HF_TOKEN_FILE") && export HF_TOKEN # That user may not read the file.
    fi
    run as_model_server env -u HF_TOKEN_FILE PYTHONPATH="$RELEASE" \
        "$RELEASE/.venv-download/bin/python" -P -m deploy.models.download "$MODEL" --to "$folder"
}

# remove_old_releases: all but the current one and the one before it.
remove_old_releases() {
    local folder kept=" $RELEASE $1 " environment
    for folder in "$PREFIX"/releases/*/; do
        folder=${folder%/}
        [[ $kept == *" $folder "* ]] || run rm -rf "$folder"
    done
    for environment in "$PREFIX"/environments/*/; do
        environment=${environment%/}
        [[ -n $(find "$PREFIX/releases" -maxdepth 2 -lname "$environment" -print -quit) ]] || run rm -rf "$environment"
    done
}
