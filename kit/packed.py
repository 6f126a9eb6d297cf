"""kit's instruments as one file, the same bytes everywhere: a plan pins it, and a program finds it where it is started.

The load generator's environment does not hold kit; what of kit runs in it is put into the program's working directory.
"""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from kit.errors import UsageError

FILE = "kit-instrument.pyz"
COMMAND = ("python", FILE)

_FOLDER = Path(__file__).resolve().parent / "instrument"
_SPELLINGS = _FOLDER.with_name("spellings.py")
_MAIN = b"from kit.instrument.main import main\n\nraise SystemExit(main())\n"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@cache
def content() -> bytes:
    """The file's bytes."""
    files = {"__main__.py": _MAIN, "kit/__init__.py": b""}
    for path in (_SPELLINGS, *sorted(_FOLDER.glob("*.py"))):
        files[f"kit/{path.relative_to(_FOLDER.parent)}"] = path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), data)
    return packed.getvalue()


@cache
def digest() -> str:
    """The SHA-256 of the file."""
    return f"sha256:{hashlib.sha256(content()).hexdigest()}"


def wanted(argv: Sequence[str]) -> str | None:
    """The digest that a plan notes for a command; None where the command uses none of kit's instruments."""
    return digest() if FILE in argv else None


def place(directory: Path, pinned: str | None) -> None:
    """Make a program's directory, with the file where it has that pinned. Raises `UsageError` where this kit has another."""
    directory.mkdir(parents=True, exist_ok=True)
    if pinned is None:
        return
    if pinned != digest():
        msg = f"the plan was made with other instruments ({pinned[:19]}…) than this kit has ({digest()[:19]}…)"
        raise UsageError(msg, hint="a run is finished with the kit that began it: start a new one")
    (directory / FILE).write_bytes(content())
