#!/bin/sh
# Installs every wheel of artifacts/ below /ftransformers/installed, from these files alone.
set -eu
cd /ftransformers
out=/ftransformers/installed
mkdir -p "$out"
pip=$(find tools -name 'pip-*.whl' | sort | tail -n 1)
# Debian keeps pip out of the system's Python; in an image of its own there is nothing to protect.
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
PYTHONPATH="${pip:+$PWD/$pip:}${PYTHONPATH-}" python3 -m pip --disable-pip-version-check --no-input install \
    --no-index --find-links artifacts --no-compile --no-cache-dir --no-warn-script-location --root "$out" artifacts/*.whl
# The command of the original report says `python`.
if ! command -v python >/dev/null; then
    mkdir -p "$out/usr/local/bin"
    ln -s "$(command -v python3)" "$out/usr/local/bin/python"
fi
