"""What killed kits left behind, cleared up before every command: processes, folders, half-written runs, containers."""

import os
import shutil
from pathlib import Path

from kit import durable
from kit.errors import KitError, Problem
from kit.runtimes import marks, notes


def sweep() -> tuple[str, ...]:
    """One line for each thing that was cleared up, or that could not be. Quick where nothing was left."""
    told = [f"stopped {line}" for line in marks.sweep()]
    notes.sweep_scratch()
    left = notes.left()
    # Each once: there is a note for every container, and an engine that is away takes its time to say so. Containers first: until they
    # are gone they write into their runs.
    for what in sorted({note.what for note in left}, key=lambda what: (what != notes.DOCKER, what)):
        try:
            told += _cleared(what)
        except BlockingIOError:
            pass  # somebody already goes on with it
        except (KitError, OSError) as error:
            said = Problem("", error.message, error.hint) if isinstance(error, KitError) else error
            told.append(f"what a kit left is still there, until a later command can remove it: {said}")
            continue
        for note in left:
            if note.what == what:
                note.drop()
    return tuple(told)


def _cleared(what: str) -> list[str]:
    if what == notes.DOCKER:
        return _docker()
    if (folder := notes.written_into(what)) is not None:
        return [f"removed {path}, left by a kit that was killed" for path in durable.clear(folder, below=False)]
    return _made(what) if notes.is_scratch(what) else _run(Path(what))


def _run(path: Path) -> list[str]:
    from kit.running.resuming import settle

    if notes.in_use(str(path)):
        raise BlockingIOError(f"another kit goes on with {path}")
    line = settle(path)
    return [line] if line is not None else []


def _made(what: str) -> list[str]:
    if not os.path.lexists(what):
        return []
    shutil.rmtree(what)
    return [f"removed {what}, left by a kit that was killed"]


def _docker() -> list[str]:
    from kit import runtimes

    return [f"removed {line}" for line in runtimes.make("docker").sweep()]
