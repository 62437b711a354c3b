# A model of one's choice in place of the demo's: quickstart.sh --model NAME.
# shellcheck shell=bash

# choose_model NAME: decides how it is started on this machine, and exports that; ends the script
# with a sentence if it can't be. MODEL_DOWNLOAD is what has to be downloaded first, if anything.
# shellcheck disable=SC2034 # quickstart.sh reads it.
choose_model() {
    local python name value lines
    MODEL_DOWNLOAD=
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
            *) export "$name=$value" ;;
        esac
    done <<<"$lines"
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
