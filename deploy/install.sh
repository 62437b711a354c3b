#!/usr/bin/env bash
# Installs QwenCam on this host as systemd services. Run as root, from a checkout or an unpacked
# release; run again, it goes on where it stopped and changes nothing that is as it should be.
#
#   deploy/install.sh --model qwen2.5-vl-32b --public-url https://camera.example.org
#   deploy/install.sh --model demo               the tiny demo model on the CPU, http://localhost:8000
#   deploy/install.sh --upgrade                  to the version of this folder, or back if it fails
#   deploy/install.sh --backup                   the database, to a new file
#   deploy/install.sh --restore FILE             the database as that file has it
#   deploy/install.sh --uninstall [--purge]      all but settings and data; --purge: these too
#
#   --prefix DIR           where the program goes (/opt/qwencam)
#   --from ARCHIVE.tar.gz  the release to install, instead of this folder
#   --model NAME|FOLDER    a known model, which is downloaded; a folder that has one; or demo
#   --vllm KIND|DIR        cpu, cuda, rocm; none (VLLM_BASE_URL says where one is); or a folder: a
#                          Python environment that has vLLM. Not given: what the host's GPU needs
#   --environment DIR      a Python environment that has what requirements.txt names, instead of a new one
#   --public-url URL       where browsers find it (http://localhost:8000)
#   --web-ports A,B        one web server on each of these ports of 127.0.0.1, 1024 or more (8000)
#   --health-seconds N     longest wait for /health (900)
#   --dry-run              print each step and command, change nothing
#
# DATABASE_URL, REDIS_URL, VLLM_BASE_URL, VLLM_API_KEY, TURN_SECRET and EMAIL_HOST_PASSWORD are taken from
# the environment, and given again replace what is there; without them there is SQLite in
# /var/lib/qwencam, and a Redis of its own. At the first installation VLLM_PORT, MODEL_NAME,
# MODEL_MAX_TOKENS, MODEL_DTYPE, TENSOR_PARALLEL_SIZE and GPU_MEMORY_UTILIZATION as well; later they are
# changed in /etc/qwencam/qwencam.env.
set -euo pipefail
umask 022 # The services read what is installed here, whatever root's own umask is.
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for part in scripts/lib/{say,preflight,environments,redis} deploy/install/{steps,options,request,settings,release,services,database,removal}; do
    # shellcheck source=/dev/null
    source "$SOURCE/$part.sh"
done

read_options "$@"
check_host
[[ -z $ARCHIVE ]] || install_from_archive "$@"
check_request
take_lock
case $ACTION in
    install) install_platform ;;
    upgrade) upgrade ;;
    backup) backup ;;
    restore) restore ;;
    uninstall) uninstall ;;
esac
