#!/usr/bin/env bash
# Gives a Debian machine what shows reports as their readers see them: an office program, a browser, fonts with Chinese,
# and tools that read PDF files.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

install libreoffice-writer-nogui chromium poppler-utils fonts-noto-cjk fonts-liberation2
say "$(chromium --version) and $(soffice --version | cut -d' ' -f1,2) are there"
