#!/bin/sh
# Runs the vendor's installers in their order and leaves what they installed below /cann/installed.
#     install.sh VERSION
set -eu
version=$1
home=/usr/local/Ascend
# Never empty: of an empty directory the old builder makes a layer that it cannot find again.
mkdir -p /cann/installed/usr/local/lib/kit
echo "$version" >/cann/installed/usr/local/lib/kit/cann-version

# In this order: the operators belong into the toolkit, and NNAL asks for the toolkit's environment.
run() {
    for file in "$@"; do
        if [ -f "$file" ]; then
            echo "kit: running $(basename "$file")"
            chmod +x "$file"
            # --quiet also accepts the vendor's licence, which whoever downloaded the file has accepted.
            "$file" --quiet --install --install-for-all
        fi
    done
}

if [ -z "$(find /cann/artifacts -name '*.run')" ]; then
    if [ ! -e "$home/ascend-toolkit" ] && [ ! -e "$home/cann" ]; then
        echo "install.sh: the base has no CANN in $home, and artifacts/ has no installers of CANN $version" >&2
        exit 1
    fi
    echo "kit: the base has CANN already"
    exit 0
fi
run /cann/artifacts/Ascend-cann-toolkit_*.run
run /cann/artifacts/Ascend-cann-kernels-*.run /cann/artifacts/Ascend-cann-*-ops_*.run
for script in "$home/ascend-toolkit/set_env.sh" "$home/cann/set_env.sh"; do
    if [ -f "$script" ]; then
        # The vendor's script reads variables that may be unset.
        set +u
        . "$script"
        set -u
        break
    fi
done
run /cann/artifacts/Ascend-cann-nnal_*.run

for path in "$home" /etc/Ascend; do
    if [ -e "$path" ]; then
        mkdir -p "/cann/installed$(dirname "$path")"
        mv "$path" "/cann/installed$path"
    fi
done
