#!/usr/bin/env bash
# Starts vLLM with the OpenAI protocol, in the demo and in production alike. Settings (environment):
#
#   MODEL_PATH               folder or Hugging Face name   (the demo checkpoint)
#   MODEL_NAME               name it is served under       (qwencam-demo)
#   MODEL_DTYPE              auto, bfloat16, float16, float32   (auto; on a CPU bfloat16 if it
#                            computes that by itself or has no room for float32, else float32)
#   MODEL_MAX_TOKENS         context, prompt and answer    (4096)
#   MODEL_MAX_PIXELS         larger images are shrunk      (as the model says)
#   FRAME_MAX_EDGE           longer edge of the frames that come; memory is kept for it (448)
#   GPU_MEMORY_UTILIZATION   share of GPU memory           (0.90)
#   TENSOR_PARALLEL_SIZE     GPUs to spread the model over (1)
#   VLLM_HOST, VLLM_PORT     where it listens              (127.0.0.1, 8100)
#   VLLM_API_KEY             asked of every client; never on a command line
#   VLLM_API_KEY_FILE        the same from a file
#   VLLM_DEVICE              cpu, cuda or rocm             (what the installed torch was built for)
#   VLLM_PYTHON              interpreter that has vLLM     (.venv-vllm, else python3)
#   VLLM_ROCM_USE_AITER      1, on an Instinct: AMD's kernels and the attention that uses them (0)
#
# What else is given depends on the model's family, by its config.json: deploy/models/profiles.py.
#
#   --print-command          prints the command and what it sets in the environment; starts nothing
#                            and needs no vLLM, for a container's arguments for example
#   --help                   this text; --help=all is vLLM's own
#
# Further arguments go to vLLM as they are. No prompt, answer or image is ever logged.
set -euo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/say.sh
source scripts/lib/say.sh

for argument; do
    [[ $argument != -h && $argument != --help ]] || {
        sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' scripts/start_vllm_server.sh
        exit
    }
done

# A path is seen from where the script was called, else from here, as the demo's in env.example is.
for name in MODEL_PATH VLLM_API_KEY_FILE VLLM_PYTHON; do
    value=${!name:-}
    case $value in
        '' | /* | '~'*) continue ;;
        ./* | ../*) ;;
        */*) [[ -e $here/$value ]] || continue ;;
        *) [[ $name != VLLM_PYTHON && -e $here/$value ]] || continue ;;
    esac
    [[ $here == "$PWD" ]] || export "$name=$here/$value"
done

python=${VLLM_PYTHON:-}
[[ -n $python ]] || { [[ -x .venv-vllm/bin/python ]] && python=.venv-vllm/bin/python; } || python=python3
case $("$python" -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null) in
    True) ;;
    False) fail "$python is older than Python 3.11: set VLLM_PYTHON to another one." ;;
    *) fail "VLLM_PYTHON is no Python: $python." ;;
esac
exec "$python" -m deploy.models.serve "$@"
