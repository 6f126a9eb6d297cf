#!/usr/bin/env bash
# Gives a Debian machine PostgreSQL, which the tests start by themselves in a directory of their own.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

install postgresql
say "$(ls -d /usr/lib/postgresql/*/bin | tail -1) is there"
