#!/usr/bin/env bash
# Pins every image in use to its digest: makes deploy/docker/compose.digests.yml, which COMPOSE_FILE in
# deploy/.env names behind the others. Run it again to take what is published under the tags by then.
#
#   COMPOSE   the command of Docker Compose   (docker compose)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/say.sh
source ../scripts/lib/say.sh
case ${1:-} in
    -h | --help)
        sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//p}' docker/pin_digests.sh
        exit
        ;;
    ?*) fail "There is no option $1: see --help." ;;
esac

read -ra compose <<<"${COMPOSE:-docker compose}"
file=docker/compose.digests.yml
[[ ${COMPOSE_FILE:-}$(cat .env 2>/dev/null) != *"$file"* || -e $file ]] || printf 'services: {}\n' >"$file"
trap 'rm -f "$file.partial"' EXIT
project=$("${compose[@]}" config --format json) || fail "Docker Compose can't read the project: see above."
PYTHONPATH=.. python3 -m deploy.docker.digests <<<"$project" >"$file.partial"
mv "$file.partial" "$file"
say "Made deploy/$file. Let COMPOSE_FILE in deploy/.env end with :$file, then: docker compose up -d --build"
