#!/usr/bin/env bash
# Gives a Debian machine what the integration tests need: their tools, Podman, a Docker engine that answers, and arm64 programs
# that run inside containers. Whatever is already there is left as it is, so running this twice is harmless.
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"

TOOLS=(make busybox-static python3 python3-venv ca-certificates tmux mmdebstrap arch-test debian-archive-keyring exfatprogs exfat-fuse)
PODMAN=(podman catatonit netavark aardvark-dns uidmap)
ENGINE=(docker.io iptables)
ARM64=(qemu-user-static binfmt-support)
LOG=/var/log/kit-dockerd.log
READY_TIMEOUT_S=60
BINFMT=/proc/sys/fs/binfmt_misc

. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

# Not `docker info --format`: with a 20.10 client it exits 0 although no engine answered.
engine_answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

launch_engine() {
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl start docker
    else
        # Closes every inherited descriptor, so that the engine outlives this script without holding its output open;
        # does nothing while a dockerd runs. The storage driver is dockerd's own choice: overlay2, else vfs.
        as_root start-stop-daemon --start --quiet --oknodo --background --output "$LOG" \
            --exec "$(command -v dockerd)" -- --group "$(id -gn)"
    fi
}

# Launches again until there is an answer: after a crash, dockerd gives up until its dead predecessor is reaped.
start_engine() {
    local deadline=$((SECONDS + READY_TIMEOUT_S))
    while launch_engine; ! engine_answers; do
        if ((SECONDS >= deadline)); then
            [[ ! -e $LOG ]] || as_root tail -n 20 "$LOG" >&2
            die "no engine answered $(id -un) within ${READY_TIMEOUT_S} s: $(docker version 2>&1 | tail -n 1)"
        fi
        sleep 0.5
    done
}

# The F flag makes the kernel open the emulator at registration, so containers need no copy of it.
arm64_runs() {
    [[ $(uname -m) == aarch64 ]] && return
    local entry
    entry=$(cat "$BINFMT/qemu-aarch64" 2>/dev/null) && [[ $entry =~ ^enabled.*flags:\ [A-Z]*F ]]
}

register_arm64() {
    [[ -e $BINFMT/register ]] || as_root mount -t binfmt_misc binfmt_misc "$BINFMT"
    as_root update-binfmts --enable qemu-aarch64
    arm64_runs || die "arm64 programs cannot run in containers: $BINFMT/qemu-aarch64 is not enabled with the F flag"
}

# Podman's crun refuses a machine on which both hierarchies of control groups have controllers: those of the new one go to the old.
join_cgroups() {
    local new=/sys/fs/cgroup/unified name
    [[ -r $new/cgroup.controllers ]] || return 0
    for name in $(<"$new/cgroup.controllers"); do
        as_root mkdir -p "/sys/fs/cgroup/$name"
        as_root mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name" || say "the controller $name cannot be moved"
    done
}

join_cgroups
install "${TOOLS[@]}" "${PODMAN[@]}"
engine_answers || { install "${ENGINE[@]}"; start_engine; }
arm64_runs || { install "${ARM64[@]}"; register_arm64; }
say "Docker $(docker version --format '{{.Server.Version}} ({{.Server.Arch}})') answers; arm64 programs run"
