#!/bin/sh
# kit in a container, for a host whose own Python is too old for it. Its image brings this file along:
#     docker run --rm --entrypoint cat kit/kit:latest /opt/kit/front.sh >kit && chmod +x kit
#     ./kit doctor smoke
# The container sees this directory and kit's cache under their own names, the host's network (it asks the server whether it
# is ready) and the host's processes (kit clean must know whose container is whose). Further directories, such as one with
# models that a profile names: KIT_MOUNTS="/home/model /data" ./kit run … Variables of the environment, such as the one with the
# API key of a profile: KIT_ENV="NAME …" ./kit run …
set -eu
image=${KIT_IMAGE:-kit/kit:latest}
address=${DOCKER_HOST:-unix:///var/run/docker.sock}
socket=${address#unix://}
cache=${KIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kit}

if [ "$address" = "$socket" ] || [ ! -S "$socket" ]; then
    echo "kit: $address is no socket of a Docker engine on this machine" >&2
    exit 3
fi
case $PWD in
    / | /etc | /usr | /opt) echo "kit: change into the directory that is to hold the runs; $PWD cannot be" >&2; exit 2 ;;
esac
mkdir -p "$cache/tmp"

# Each option is put in front of what is there already.
set -- "$image" "$@"
set -- --volume "$socket:/var/run/docker.sock" --env DOCKER_HOST=unix:///var/run/docker.sock "$@"
set -- --user "$(id -u):$(id -g)" --group-add "$(stat -c %g "$socket")" --env HOME=/home/kit "$@"
set -- --volume "$PWD:$PWD" --workdir "$PWD" --volume "$cache:$cache" "$@"
set -- --env "KIT_CACHE=$cache" --env "TMPDIR=$cache/tmp" --env "TERM=${TERM:-dumb}" --env "LANG=C.UTF-8" "$@"
for path in ${KIT_MOUNTS-}; do set -- --volume "$path:$path" "$@"; done
# What is asked for of the environment goes as files: docker inspect prints variables. Their folder has a name by which the next
# kit removes it, if nobody else did.
if [ -n "${KIT_ENV-}" ]; then
    given=$cache/tmp/kit-front-$$.$(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20).1.$(stat -L -c %i /proc/self/ns/pid)-
    mkdir -m 700 "$given"
    # The process of this script becomes docker's: when it has ended, however that was, the files go.
    (trap '' HUP INT TERM; cd /; while kill -0 $$; do sleep 1; done; rm -rf "$given") </dev/null >/dev/null 2>&1 &
    for name in $KIT_ENV; do
        case $name in
            [0-9]* | *[!A-Za-z0-9_]*) echo "kit: KIT_ENV holds names of variables: $name is none" >&2; exit 2 ;;
        esac
        if printenv "$name" >/dev/null; then (umask 077; printenv "$name" >"$given/$name"); fi
    done
    set -- --volume "$given:/run/kit-environment:ro" "$@"
fi
set -- --env "KIT_ENV=${KIT_ENV-}" "$@"
# The machine that a report describes is the host.
for path in /etc/os-release /etc/localtime /etc/ascend_install.info; do
    if [ -e "$path" ]; then set -- --volume "$(readlink -f "$path"):$path:ro" "$@"; fi
done
# Cards of Ascend are in use by one container each; only a privileged one may ask for their state beside that.
if [ -e /dev/davinci_manager ]; then
    set -- --privileged --env LD_LIBRARY_PATH=/usr/local/Ascend/driver/lib64:/usr/local/Ascend/driver/lib64/common:/usr/local/Ascend/driver/lib64/driver "$@"
    for path in /usr/local/Ascend/driver /usr/local/Ascend/firmware /usr/local/dcmi /usr/local/bin/npu-smi /usr/local/sbin/npu-smi; do
        if [ -e "$path" ]; then set -- --volume "$path:$path:ro" "$@"; fi
    done
fi
if [ -t 0 ] && [ -t 1 ]; then set -- --tty "$@"; fi
exec docker run --rm --interactive --network host --pid host --security-opt label=disable "$@"
