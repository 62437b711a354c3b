#!/usr/bin/env bash
# Starts the web process: HTTP, WebSocket and media.
#
#   HOST, PORT                     where it listens (127.0.0.1, 8000)
#   SSL_CERT_PATH, SSL_KEY_PATH    serve HTTPS with this certificate (PEM, chain included)
#   PROXY_HEADERS=true             believe a proxy's X-Forwarded-For; only behind one
#   PYTHON                         interpreter of the platform's environment
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/say.sh
source scripts/lib/say.sh
# shellcheck source=scripts/lib/preflight.sh
source scripts/lib/preflight.sh
case ${1:-} in
    -h | --help)
        sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//p}' scripts/start_web_server.sh
        exit
        ;;
    ?*) fail "There is no option $1: see --help." ;;
esac

HOST=${HOST:-127.0.0.1} PORT=${PORT:-8000}
PYTHON=${PYTHON:-.venv/bin/python}
# A message above these sizes is cut off by daphne; the application refuses far smaller ones.
options=(--websocket-max-message-size 8388608 --websocket-max-frame-size 8388608 --no-server-name)
[[ ${PROXY_HEADERS:-false} != true ]] || options+=(--proxy-headers)

if [[ -z ${SSL_CERT_PATH:-}${SSL_KEY_PATH:-} ]]; then
    options+=(-b "$HOST" -p "$PORT")
else
    need_certificate "$PYTHON"
    # Colons separate the parts of a Twisted endpoint.
    options+=(-e "ssl:$PORT:privateKey=${SSL_KEY_PATH//:/\\:}:certKey=${SSL_CERT_PATH//:/\\:}:interface=${HOST//:/\\:}")
fi
exec "$PYTHON" -m daphne "${options[@]}" qwencam_site.asgi:application
