# The command line, and whether this host can do what it asks for.
# shellcheck shell=bash
# shellcheck disable=SC2034  # Used in the other parts.

SETTINGS=/etc/qwencam
DATA=/var/lib/qwencam

usage() { sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "$SOURCE/deploy/install.sh"; }

read_options() {
    ACTION=install DRY_RUN=false PURGE=false ARCHIVE='' PREFIX='' MODEL='' VLLM='' ENVIRONMENT=''
    PUBLIC_URL_OPTION='' WEB_PORTS='' HEALTH_SECONDS=900 BACKUP_FILE=''
    while (($#)); do
        case $1 in
            --dry-run) DRY_RUN=true ;;
            --upgrade | --backup | --uninstall) ACTION=${1#--} ;;
            --purge) PURGE=true ;;
            -h | --help)
                usage
                exit 0
                ;;
            --restore | --prefix | --from | --model | --vllm | --environment | --public-url | --web-ports | --health-seconds)
                (($# > 1)) || fail "$1 needs a value: see --help."
                option "$1" "$2"
                shift
                ;;
            *) fail "Unknown option '$1': see --help." ;;
        esac
        shift
    done
    [[ $PURGE == false || $ACTION == uninstall ]] || fail "--purge goes with --uninstall only."
    read_installation
}

option() {
    case $1 in
        --restore) ACTION=restore BACKUP_FILE=$(realpath -ms "$2") ;;
        --prefix) PREFIX=$(readlink -m "$2") ;;
        --from) ARCHIVE=$(readlink -m "$2") ;;
        --model)
            [[ $2 == /* || $2 =~ ^[A-Za-z0-9][A-Za-z0-9._@-]*$ ]] ||
                fail "--model must be a known name such as qwen2.5-vl-32b, a folder that begins with /, or demo, not '$2'."
            MODEL=$2
            ;;
        --vllm) VLLM=$2 ;;
        --environment) ENVIRONMENT=$(readlink -m "$2") ;;
        --public-url)
            [[ $2 =~ ^https?://[A-Za-z0-9.-]+(:[0-9]+)?$ || $2 =~ ^https?://\[[0-9a-fA-F:]+\](:[0-9]+)?$ ]] ||
                fail "--public-url must look like https://camera.example.org, not '$2'."
            PUBLIC_URL_OPTION=$2
            ;;
        --web-ports)
            [[ $2 =~ ^[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})*$ ]] ||
                fail "--web-ports must be ports such as 8000,8001, not '$2'."
            WEB_PORTS=${2//,/ }
            ;;
        --health-seconds)
            [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || fail "--health-seconds must be a number of seconds, not '$2'."
            HEALTH_SECONDS=$2
            ;;
    esac
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
    VLLM=${VLLM:-$INSTALLED_VLLM} ENVIRONMENT=${ENVIRONMENT:-$INSTALLED_ENVIRONMENT}
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
    case $ACTION in
        install) ;;
        *) [[ -L $CURRENT || -e $SETTINGS/installation ]] || fail "QwenCam is not installed in $PREFIX: nothing to $ACTION." ;;
    esac
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
    exec 9>/run/qwencam-install.lock
    flock -n 9 || fail "Another install.sh is running: wait for its end."
}
