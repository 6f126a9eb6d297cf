"""No API key in what a load generator left that has ended, or was ended before it came to its end."""

from pathlib import Path

from kit.instrument import exchange
from kit.redaction import Redactor


def strike(folder: Path, redactor: Redactor) -> None:
    """Strike the key out of every file below a folder, which need not be there; nothing where there is no key."""
    if redactor:
        drop_undecoded(folder)
        redactor.clean_folder(folder)


def drop_undecoded(folder: Path) -> None:
    """Remove what a sender that was ended left as it came: nothing reads it, and the key that an answer repeats in pieces of HTTP
    could not be struck out of it."""
    for path in folder.rglob(exchange.RAW):
        if path.is_file() or path.is_symlink():
            path.unlink()
