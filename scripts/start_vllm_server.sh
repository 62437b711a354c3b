#!/usr/bin/env bash
# Starts vLLM with the OpenAI protocol, in the demo and in production alike. Settings (environment):
#
#   MODEL_PATH               folder or Hugging Face name   (the demo checkpoint)
#   MODEL_NAME               name it is served under       (qwencam-demo)
#   MODEL_DTYPE              auto, bfloat16, float16, float32   (auto; float32 on a CPU)
#   MODEL_MAX_TOKENS         context, prompt and answer    (4096)
#   MODEL_MAX_PIXELS         larger images are shrunk      (as the model says)
#   GPU_MEMORY_UTILIZATION   share of GPU memory           (0.90)
#   TENSOR_PARALLEL_SIZE     GPUs to spread the model over (1)
#   VLLM_HOST, VLLM_PORT     where it listens              (127.0.0.1, 8100)
#   VLLM_API_KEY             asked of every client; never on a command line
#   VLLM_DEVICE              cpu, cuda or rocm             (what the installed torch was built for)
#   VLLM_PYTHON              interpreter that has vLLM     (.venv-vllm, else python3)
#   VLLM_ROCM_USE_AITER      1 tries AMD's kernels         (vLLM's own default)
#
# Further arguments go to vLLM as they are. No prompt, answer or image is ever logged.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/say.sh

python=${VLLM_PYTHON:-}
[[ -n $python ]] || { [[ -x .venv-vllm/bin/python ]] && python=.venv-vllm/bin/python; } || python=python3
model=${MODEL_PATH:-deploy/demo_model/checkpoint}
port=${VLLM_PORT:-8100}

# The build of torch names the device in its version's suffix; PyPI's plain build is for CUDA.
installed_device() {
    local version
    version=$("$python" -c 'from importlib.metadata import version; print(version("torch"))' \
        2>/dev/null) || fail "vLLM is not installed for $python: see deploy/requirements/."
    case $version in
        *+cpu*) echo cpu ;;
        *+rocm*) echo rocm ;;
        *) echo cuda ;;
    esac
}

device=${VLLM_DEVICE:-$(installed_device)}
if [[ $model == /* || $model == deploy/* || $model == .* ]]; then
    [[ -f $model/config.json ]] || fail "MODEL_PATH has no checkpoint: $model/config.json is missing."
    export HF_HUB_OFFLINE=1
fi

arguments=(
    --model "$model"
    --served-model-name "${MODEL_NAME:-qwencam-demo}"
    --host "${VLLM_HOST:-127.0.0.1}"
    --port "$port"
    --max-model-len "${MODEL_MAX_TOKENS:-4096}"
    --tensor-parallel-size "${TENSOR_PARALLEL_SIZE:-1}"
    --limit-mm-per-prompt '{"image": 1, "video": 0}'
    # Images come inside the request. The list can't be empty (that allows every host), so it names
    # a domain that cannot exist: the server never fetches a URL that a client chose.
    --allowed-media-domains none.invalid
    --enable-prefix-caching
    --no-enable-log-requests
    --no-enable-log-outputs
    --disable-uvicorn-access-log
)
[[ -z ${MODEL_MAX_PIXELS:-} ]] ||
    arguments+=(--mm-processor-kwargs "{\"max_pixels\": $MODEL_MAX_PIXELS}")

case $device in
    cpu)
        # One engine process with threads of its own choosing starts in two thirds of the time that
        # vLLM's pinned worker process takes, and computes the same.
        export VLLM_ENABLE_V1_MULTIPROCESSING=0 VLLM_CPU_OMP_THREADS_BIND=nobind
        export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
        export VLLM_CPU_KVCACHE_SPACE=${VLLM_CPU_KVCACHE_SPACE:-1} # GiB
        arguments+=(--dtype "${MODEL_DTYPE:-float32}" --enforce-eager)
        ;;
    cuda | rocm)
        arguments+=(
            --dtype "${MODEL_DTYPE:-auto}"
            --gpu-memory-utilization "${GPU_MEMORY_UTILIZATION:-0.90}"
        )
        ;;
    *) fail "VLLM_DEVICE must be cpu, cuda or rocm, not '$device'." ;;
esac

export VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
export VLLM_LOGGING_LEVEL=INFO VLLM_MEDIA_URL_ALLOW_REDIRECTS=0
unset VLLM_DEBUG_LOG_API_SERVER_RESPONSE
# vLLM reads VLLM_PORT as the first port of its internal traffic; the rest is not its business.
unset VLLM_PORT DJANGO_SECRET_KEY JWT_SECRET_KEY DATABASE_URL REDIS_URL TURN_SECRET DEMO_PASSWORD

exec "$python" -m vllm.entrypoints.openai.api_server "${arguments[@]}" "$@"
