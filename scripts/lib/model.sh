# A model of one's choice in place of the demo's: quickstart.sh --model NAME.
# shellcheck shell=bash

# choose_model NAME: decides how it is started on this machine, and exports that; ends the script
# with a sentence if it can't be. MODEL_DOWNLOAD is what has to be downloaded first, if anything, and
# MODEL_DOWNLOAD_MB how much that is.
# shellcheck disable=SC2034 # quickstart.sh reads it.
choose_model() {
    local python name value lines
    MODEL_DOWNLOAD='' MODEL_DOWNLOAD_MB=0
    python=$(find_python)
    if [[ ! -d $1 ]]; then
        install_download
        python=.venv-download/bin/python
    fi
    lines=$("$python" -m deploy.model_choice "$1") || exit 1
    while IFS='=' read -r name value; do
        case $name in
            NOTE) say "$value" ;;
            DOWNLOAD) MODEL_DOWNLOAD=$value ;;
            DOWNLOAD_MB) MODEL_DOWNLOAD_MB=$value ;;
            MODEL_* | TENSOR_PARALLEL_SIZE | QUICKSTART_WAIT_SECONDS) export "$name=$value" ;;
            *) fail "The choice of a model printed what is no setting: $name." ;;
        esac
    done <<<"$lines"
}

# same_disk FOLDER FOLDER: both are, or will be, on one file system.
same_disk() {
    local folder disks=()
    for folder; do
        while [[ ! -e $folder ]]; do folder=$(dirname "$folder"); done
        disks+=("$(stat -c %d "$folder")")
    done
    [[ ${disks[0]} == "${disks[1]}" ]]
}

# download_model NAME: what has arrived stays when this script is ended meanwhile.
download_model() {
    setpriv --pdeathsig TERM -- scripts/download_model.sh "$1" 9<&- &
    BACKGROUND=$!
    wait "$BACKGROUND" || exit 1
    BACKGROUND=
}

# installed_device: prints what the vLLM that these scripts installed is for; cpu where there is none.
installed_device() {
    local device
    for device in cuda rocm; do
        [[ ! -e $VENV_VLLM/.installed-vllm-$device ]] || break
        device=cpu
    done
    printf '%s\n' "$device"
}
