# The command line and what it may say; whether this host can do it. All of it before the first step.
# shellcheck shell=bash
# shellcheck disable=SC2034  # Used in the other parts.

SETTINGS=/etc/qwencam
DATA=/var/lib/qwencam
LOCK_FILE=/run/qwencam-install.lock

usage() { sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "$SOURCE/deploy/install.sh"; }

read_options() {
    ACTION=install DRY_RUN=false PURGE=false ARCHIVE='' PREFIX='' MODEL='' VLLM_OPTION='' ENVIRONMENT_OPTION=''
    PUBLIC_URL_OPTION='' WEB_PORTS='' HEALTH_SECONDS=900 BACKUP_FILE=''
    local seen=()
    while (($#)); do
        case $1 in
            --dry-run) DRY_RUN=true ;;
            --purge) PURGE=true ;;
            --upgrade | --backup | --uninstall) choose_action "${1#--}" ;;
            -h | --help)
                usage
                exit 0
                ;;
            --restore | --prefix | --from | --model | --vllm | --environment | --public-url | --web-ports | --health-seconds)
                [[ -n ${2:-} && $2 != --* ]] || fail "$1 needs a value: see --help."
                [[ $2 != *[[:cntrl:]]* ]] || fail "$1 must be one line without control characters."
                [[ " ${seen[*]} " != *" $1 "* ]] || fail "$1 is given twice: give it once."
                seen+=("$1")
                [[ $1 != --restore ]] || choose_action restore
                option "$1" "$2"
                shift
                ;;
            *) fail "Unknown option '$1': see --help." ;;
        esac
        shift
    done
    [[ $PURGE == false || $ACTION == uninstall ]] || fail "--purge goes with --uninstall only."
    check_they_go_together "${seen[@]}"
    read_installation
}

# choose_action NAME: one call does one thing.
choose_action() {
    [[ $ACTION == install || $ACTION == "$1" ]] ||
        fail "--$ACTION and --$1 are two different actions: give one of --upgrade, --backup, --restore and --uninstall."
    ACTION=$1
}

# check_they_go_together OPTION...: what an action would not look at is a mistake.
check_they_go_together() {
    local name
    [[ $ACTION != install && $ACTION != upgrade ]] || return 0
    for name; do
        case $name,$ACTION in
            --prefix,* | --restore,restore | --health-seconds,restore) ;;
            --health-seconds,*) fail "$name goes with installing, --upgrade and --restore, not with --$ACTION." ;;
            *) fail "$name goes with installing and --upgrade, not with --$ACTION." ;;
        esac
    done
}

option() {
    local label='[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?' url=${2%/} port
    case $1 in
        --restore) BACKUP_FILE=$(realpath -ms "$2") ;;
        --prefix)
            PREFIX=$(readlink -m "$2")
            # Programs name the environment's Python in their first line, of which Linux reads 255 characters.
            ((${#PREFIX} <= 100)) || fail "--prefix may have 100 characters at most, not ${#PREFIX}."
            ;;
        --from) ARCHIVE=$(readlink -m "$2") ;;
        --model)
            [[ $2 == /* || $2 =~ ^[A-Za-z0-9][A-Za-z0-9._@-]*$ ]] ||
                fail "--model must be a known name such as qwen2.5-vl-32b, a folder that begins with /, or demo, not '$2'."
            is_plain "$2" && [[ $(basename "$2") != -* ]] ||
                fail "--model must not begin with a dash, nor have quotes, backslashes or blanks at its ends: rename $2."
            MODEL=$2
            ;;
        --vllm)
            [[ $2 == /* || $2 =~ ^(cpu|cuda|rocm|none)$ ]] ||
                fail "--vllm must be cpu, cuda, rocm, none or a folder that begins with /, not '$2'."
            VLLM_OPTION=$2
            ;;
        --environment) ENVIRONMENT_OPTION=$(readlink -m "$2") ;;
        --public-url)
            [[ $url =~ ^https?://($label(\.$label)*|\[[0-9a-fA-F:]*:[0-9a-fA-F:]*\])(:[0-9]+)?$ ]] ||
                fail "--public-url must look like https://camera.example.org, without a path, not '$2'."
            port=${BASH_REMATCH[-1]#:}
            [[ -z $port ]] || is_port "$port" || fail "--public-url must have a port from 1 to 65535, not '$port'."
            PUBLIC_URL_OPTION=$url
            ;;
        --web-ports) read_web_ports "$2" ;;
        --health-seconds)
            [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || fail "--health-seconds must be a number of seconds, not '$2'."
            HEALTH_SECONDS=$2
            ;;
    esac
}

# is_plain TEXT: systemd, Python and these scripts read it alike from a file of settings.
is_plain() { [[ $1 != *[[:cntrl:]\"\'\\]* && $1 != [[:space:]]* && $1 != *[[:space:]] ]]; }

is_port() { [[ $1 =~ ^[1-9][0-9]{0,4}$ ]] && (($1 <= 65535)); }

read_web_ports() {
    local port
    [[ $1 =~ ^[^,]+(,[^,]+)*$ ]] || fail "--web-ports must be ports such as 8000,8001, not '$1'."
    for port in ${1//,/ }; do
        is_port "$port" || fail "--web-ports must be ports such as 8000,8001, not '$1'."
        ((port >= 1024)) || fail "--web-ports must be 1024 or more, not $port: the services have no right to lower ones."
        [[ " $WEB_PORTS " != *" $port "* ]] || fail "--web-ports names $port twice."
        WEB_PORTS=${WEB_PORTS:+$WEB_PORTS }$port
    done
}

# read_installation: what an earlier installation has left in /etc/qwencam/installation.
read_installation() {
    local given=$PREFIX name value
    INSTALLED_PREFIX='' MADE_GROUPS='' INSTALLED_VLLM='' INSTALLED_ENVIRONMENT=''
    if [[ -r $SETTINGS/installation ]]; then
        while IFS='=' read -r name value; do
            case $name in
                INSTALLED_PREFIX | MADE_GROUPS | INSTALLED_VLLM | INSTALLED_ENVIRONMENT) printf -v "$name" %s "$value" ;;
            esac
        done <"$SETTINGS/installation"
    fi
    PREFIX=${given:-${INSTALLED_PREFIX:-/opt/qwencam}}
    [[ -z $INSTALLED_PREFIX || $PREFIX == "$INSTALLED_PREFIX" ]] ||
        fail "QwenCam is installed in $INSTALLED_PREFIX: uninstall it first, or leave --prefix out."
    VLLM=${VLLM_OPTION:-$INSTALLED_VLLM} ENVIRONMENT=${ENVIRONMENT_OPTION:-$INSTALLED_ENVIRONMENT}
    CURRENT=$PREFIX/current
}

check_host() {
    local version
    ((EUID == 0)) || fail "Run this as root: sudo deploy/install.sh …"
    [[ -d /run/systemd/system ]] || fail "systemd is not running here: use the containers (DEPLOY.md) instead."
    version=$(systemctl --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')
    ((${version:-0} >= 250)) || fail "systemd 250 or newer is needed, this is ${version:-none}."
    [[ $PREFIX =~ ^/[A-Za-z0-9._/-]*$ ]] || fail "--prefix may have letters, digits and . _ - / only: '$PREFIX'."
    case $PREFIX/ in
        /home/* | /root/* | /run/* | /tmp/* | /etc/* | /usr/bin/* | /var/tmp/* | "$DATA"/* | /var/lib/qwen-vllm/*)
            fail "The services can't see $PREFIX or must not write there: choose a --prefix such as /opt/qwencam or /srv/qwencam."
            ;;
    esac
    check_prefix
    check_installed
}

# check_installed: all but installing is done with what is there. An installation that was cut off can be
# removed, or run again.
check_installed() {
    case $ACTION in
        install) return ;;
        uninstall) [[ ! -e $SETTINGS/installation ]] || return 0 ;;
    esac
    [[ -L $CURRENT ]] || fail "QwenCam is not installed in $PREFIX: nothing to $ACTION."
}

# check_prefix: a folder of its own, since uninstalling removes what is in it.
check_prefix() {
    case $PREFIX/ in
        /usr/local/?*) ;;
        // | /bin/* | /boot/* | /dev/* | /lib/* | /lib64/* | /proc/* | /sbin/* | /sys/* | /usr/* | /opt/ | /srv/ | /mnt/ | /media/ | /var/ | /var/lib/ | /var/cache/)
            fail "$PREFIX is the system's: choose a --prefix of its own, such as /opt/qwencam or /srv/qwencam."
            ;;
    esac
    [[ $PREFIX == "$INSTALLED_PREFIX" || $(readlink "$CURRENT") == "$PREFIX"/releases/* ]] ||
        [[ ! -e $PREFIX || (-d $PREFIX && -z $(find "$PREFIX" -mindepth 1 -print -quit)) ]] ||
        fail "$PREFIX has something else in it: choose a --prefix that is empty or not there yet."
}

# One installer at a time. The lock goes with this process, however it ends.
take_lock() {
    if [[ $DRY_RUN == false ]]; then
        exec 9>"$LOCK_FILE"
    elif [[ -e $LOCK_FILE ]]; then
        exec 9<"$LOCK_FILE"
    else
        return 0 # It changes nothing, and nobody else is here.
    fi
    flock -n 9 || fail "Another install.sh is running: wait for its end."
}
