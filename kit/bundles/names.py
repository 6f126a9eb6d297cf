"""Names of files from elsewhere: which may be written on this machine, and which two would be one file on some system."""

import unicodedata
from collections.abc import Iterable, Iterator

from kit.errors import Problem

LONGEST_NAME = 1000
LONGEST_PART = 240


def wrong(name: str) -> str | None:
    """Why a name cannot be that of a file below a folder of kit's; None where it can."""
    parts = name.split("/")
    if not name:
        return "is no name"
    if name.startswith(("/", "~")):
        return "is an absolute path"
    if ".." in parts:
        return "leads out of its folder"
    if "" in parts or "." in parts:
        return "is no plain path"
    if "\\" in name or any(len(part) > 1 and part[1] == ":" and part[0].isalpha() for part in parts[:1]):
        return "is a path of another system"
    try:
        encoded = [part.encode() for part in parts]
    except UnicodeEncodeError:
        return "is no text"
    if not name.isprintable():
        return "holds characters that cannot be shown"
    if any(part != part.strip() for part in parts):
        return "begins or ends with a blank"
    if len(name.encode()) > LONGEST_NAME or any(len(part) > LONGEST_PART for part in encoded):
        return "is too long"
    if unicodedata.normalize("NFC", name) != name:
        return "is written with combining characters"
    return None


def shown(name: str) -> str:
    """A name as it can be printed, whatever it holds."""
    cut = name if len(name) <= 200 else f"{name[:200]}…"
    return cut if cut.isprintable() else ascii(cut)


def clashes(names: Iterable[str]) -> Iterator[Problem]:
    """Names that stand there twice, that differ only in what some file systems ignore, or that are file and folder at once."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        key = _folded(name)
        if key in files:
            other = files[key]
            what = "stands there twice" if other == name else f"differs from {shown(other)} only in case or spelling"
            yield Problem(shown(name), what)
            continue
        files[key] = name
        parts = name.split("/")
        for length in range(1, len(parts)):
            folder = "/".join(parts[:length])
            known = folders.setdefault(_folded(folder), folder)
            if known != folder:
                yield Problem(shown(name), f"lies in {shown(folder)}, which differs from {shown(known)} only in case")
    for key, name in files.items():
        if key in folders:
            yield Problem(shown(name), "is a file and a folder at once")


def _folded(name: str) -> str:
    """What file systems that ignore case, width and composition take a name for."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
