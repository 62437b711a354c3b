# How each step is printed, carried out or only shown, and how a failure ends.
# shellcheck shell=bash

STEP=
BACKGROUND=
SAID=false
SCRATCH=$(mktemp -d)

step() {
    STEP=$1
    say "» $1"
}

# run COMMAND...: does it, or prints it in a dry run.
run() {
    if [[ $DRY_RUN == true ]]; then
        say "    $(printf '%q ' "$@")"
    else
        "$@"
    fi
}

# part TEXT FUNCTION...: one of our own functions; a dry run prints what it would do.
part() {
    if [[ $DRY_RUN == true ]]; then
        say "    $1"
    else
        "${@:2}"
    fi
}

# write FILE MODE: what comes on standard input, unless the file has it already. Wholly or not at all,
# also if the power fails.
write() {
    local partial
    partial=$(dirname "$1")/.$(basename "$1").partial
    cat >"$SCRATCH/written"
    ! cmp -s "$SCRATCH/written" "$1" || return 0
    if [[ $DRY_RUN == true ]]; then
        say "    write $1 (mode $2)"
    else
        install -D -m "$2" "$SCRATCH/written" "$partial" && sync "$partial" &&
            mv -T "$partial" "$1" && sync "$(dirname "$1")"
    fi
}

# fail SENTENCE: says's own, and remembers that there was one.
fail() {
    SAID=true
    printf '%s\n' "$*" >&2
    exit 1
}

finish() {
    local status=$?
    trap - EXIT INT TERM HUP
    [[ -z $BACKGROUND ]] || kill "$BACKGROUND" 2>/dev/null || true
    if ((status != 0)) && [[ -n $GO_BACK_TO ]]; then
        go_back || say "Going back failed as well: mend what is said above, and run this again." >&2
    elif ((status != 0)) && [[ ${SETTINGS_CHANGED:-} == true ]]; then
        settings_as_before
    fi
    rm -rf "$SCRATCH"
    if ((status != 0)) && [[ $SAID == false && -n $STEP ]]; then
        say "\"$STEP\" failed: see above. Mend it and run the same command again: it goes on there." >&2
    fi
    exit "$status"
}
GO_BACK_TO=
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
