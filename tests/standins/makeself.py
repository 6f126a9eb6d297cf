"""Files like those that makeself writes: a shell script, and behind it a compressed archive that it unpacks and installs."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

# The lines of a real header that kit reads, and the options of the vendor's installers.
_HEADER = """\
#!/bin/sh
# This script was generated using Makeself 2.4.0 (a stand-in)
label="{label}"
filesizes="{size}"
lines={lines}
offset=`head -n {lines} "$0" | wc -c | tr -d " "`
quiet=n install=n everyone=n
for option in "$@"; do
    case "$option" in
        --quiet) quiet=y ;;
        --install) install=y ;;
        --install-for-all) everyone=y ;;
        --install-path=*) echo "this stand-in installs below /usr/local/Ascend only" >&2; exit 2 ;;
        *) echo "Unrecognized flag : $option" >&2; exit 1 ;;
    esac
done
if [ "$install" = n ]; then
    echo "$label: give --install" >&2
    exit 1
fi
if [ "$quiet" = n ]; then
    printf 'Do you accept the EULA to install %s? [Y/N] ' "$label"
    read answer
    [ "$answer" = Y ] || exit 1
fi
[ "$everyone" = y ] || umask 027
scratch=`mktemp -d`
trap 'rm -rf "$scratch"' EXIT
tail -n +`expr $lines + 1` "$0" | tar -xz -C "$scratch" || exit 1
(cd "$scratch" && sh ./install.sh)
exit $?
"""


def write(path: Path, label: str, files: Mapping[str, str]) -> Path:
    """Write an installer of `files`, of which `install.sh` is run; the same bytes every time."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    lines = _HEADER.count("\n")
    header = _HEADER.format(label=label, size=len(packed.getvalue()), lines=lines)
    path.write_bytes(header.encode() + packed.getvalue())
    return path
