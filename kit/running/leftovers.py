"""What killed kits left behind, cleared up before every command: processes, folders, half-written runs, containers."""

from pathlib import Path

from kit.errors import KitError
from kit.runtimes import marks, notes


def sweep() -> tuple[str, ...]:
    """One line for each thing that was cleared up, or that could not be. Quick where nothing was left."""
    told = [f"stopped {line}" for line in marks.sweep()]
    notes.sweep_scratch()
    for note in notes.left():
        try:
            told += _docker() if note.what == notes.DOCKER else _run(Path(note.what))
        except BlockingIOError:
            # Somebody already goes on with it.
            note.drop()
        except (KitError, OSError) as error:
            told.append(
                f"what a killed kit left is still there: {error.message if isinstance(error, KitError) else error}"
            )
        else:
            note.drop()
    return tuple(told)


def _run(path: Path) -> list[str]:
    from kit.running.resuming import settle

    line = settle(path)
    return [line] if line is not None else []


def _docker() -> list[str]:
    from kit import runtimes

    return [f"removed {line}" for line in runtimes.make("docker").sweep()]
