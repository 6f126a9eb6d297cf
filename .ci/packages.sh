# Sourced: installs what is missing of a list of Debian packages, and says so.
# shellcheck shell=bash

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
die() { say "$*"; exit 3; }

as_root() {
    if ((EUID == 0)); then "$@"
    elif sudo -n true 2>/dev/null; then sudo -n -- "$@"
    else die "must be root, or able to sudo without a password, to run: $*"
    fi
}

install() {
    local package missing=()
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "needs ${missing[*]}, and there is no apt-get to install them with"
    say "installing ${missing[*]}"
    as_root apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends \
        "${missing[@]}"
}
