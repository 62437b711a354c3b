# What the scripts tell the person who runs them.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }

# fail SENTENCE: the one sentence that says what is wrong, and the end.
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
