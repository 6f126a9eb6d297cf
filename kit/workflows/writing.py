"""Writing the files of a command, so that a kill leaves each whole or not there, and the next command removes the rest."""

from collections.abc import Sequence
from pathlib import Path

from kit import durable
from kit.errors import HostError
from kit.runtimes import notes


def files(contents: Sequence[tuple[Path, bytes]], hint: str = "") -> tuple[Path, ...]:
    """Put whole files in their places in this order, over those that are there. Raises `HostError`."""
    try:
        with notes.writing(*(path.parent for path, _ in contents)):
            for path, content in contents:
                durable.replace(path, content)
    except OSError as error:
        raise HostError(f"{error.filename or path} cannot be written: {error.strerror}", hint=hint) from error
    return tuple(path for path, _ in contents)
