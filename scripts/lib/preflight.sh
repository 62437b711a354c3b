# Is this machine ready? Each check ends the script with one sentence if it is not.
# shellcheck shell=bash

# find_python: prints the interpreter to build the environments with ($PYTHON, or the first that fits).
find_python() {
    local candidate seen=""
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
        seen="$seen $candidate ($({ command -v "$candidate" >/dev/null && "$candidate" --version 2>&1; } | head -n 1 | grep . || echo not found))"
    done
    fail "Python 3.11 or newer is needed; tried:$seen."
}

# need_disk FOLDER MEGABYTES
need_disk() {
    local free
    free=$(df -Pm "$1" | awk 'NR == 2 {print $4}')
    ((free >= $2)) || fail "Not enough disk: $1 has $free MB free and $2 MB are needed."
}

# port_in_use PORT: something on this machine accepts connections there.
port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# need_plain_path WHOSE PATH: it can stand in a URL and in the supervisor's configuration.
need_plain_path() {
    [[ $2 != *[\"\\%#?[:cntrl:]]* ]] ||
        fail "$1 can't be in a folder with any of \" \\ % # ? in its name: $(printf '%q' "$2")."
}

# need_free_port NAME PORT
need_free_port() {
    if ! [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || (($2 > 65535)); then
        fail "$1 must be a port number from 1 to 65535, not '$2'."
    fi
    ! port_in_use "$2" || fail "Port $2 is in use: choose another with $1=$(($2 + 1))."
}

# need_own_address HOST PORT: this user can listen there.
need_own_address() {
    local said
    said=$("$(find_python)" - "$1" "$2" <<'PYTHON'
import errno, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
try:
    socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
except (OSError, UnicodeError) as error:
    print({errno.EADDRINUSE: "in use", errno.EACCES: "not allowed"}.get(getattr(error, "errno", 0), "not here"))
PYTHON
    )
    case $said in
        '') ;;
        'in use') fail "Port $2 is in use: choose another with PORT=$(($2 + 1))." ;;
        'not allowed') fail "Port $2 is for root alone: choose one from 1024 on, such as PORT=8000." ;;
        *) fail "HOST must be an address of this machine, such as 127.0.0.1 (this machine alone) or 0.0.0.0 (others too), not '$1'." ;;
    esac
}

# need_certificate PYTHON: $SSL_CERT_PATH and $SSL_KEY_PATH can be read and belong together.
need_certificate() {
    local name reason
    for name in SSL_CERT_PATH SSL_KEY_PATH; do
        [[ -f ${!name:-} && -r ${!name} ]] || fail "$name names no readable file: '${!name:-}'."
    done
    reason=$("$1" - <<'PYTHON'
import os, ssl
try:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
        os.environ["SSL_CERT_PATH"], os.environ["SSL_KEY_PATH"], password=lambda: ""
    )
except ssl.SSLError as error:
    print({"KEY_VALUES_MISMATCH": "the key is another certificate's"}.get(
        error.reason, "PEM is expected, and a key without a passphrase"
    ))
PYTHON
    )
    [[ -z $reason ]] ||
        fail "SSL_CERT_PATH and SSL_KEY_PATH are no certificate and its key: $reason."
}

# free_port [FROM]: prints the first free port from there on. Without FROM it begins somewhere
# below the ports that the system hands out itself, so that two starts at once rarely meet.
free_port() {
    local port=${1:-$((10000 + RANDOM % 20000))}
    while port_in_use "$port"; do port=$((port + 1)); done
    printf '%s\n' "$port"
}

# Keys are read from these, so nobody else may have put them there.
# need_own_folder FOLDER MODES: it is this user's, and without these rights of others (octal).
need_own_folder() {
    [[ -O $1 && ! -L $1 ]] || fail "$1 belongs to somebody else: choose another DATA_DIR."
    ((8#$(stat -c %a "$1") & 8#$2)) || return 0
    fail "Others can write to $1: chmod go-w it, or choose another DATA_DIR."
}

# need_own_file FILE
need_own_file() {
    [[ -O $1 && -f $1 && ! -L $1 ]] || fail "$1 belongs to somebody else: choose another DATA_DIR."
}
