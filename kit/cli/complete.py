"""What the shell completes."""

from pathlib import Path


def profiles(incomplete: str) -> list[str]:
    """Names of profiles."""
    from kit import library

    return [name for name in library.names() if name.startswith(incomplete)]


def runs(incomplete: str) -> list[str]:
    """Names of runs below `./runs`."""
    path = Path("runs")
    found = [entry.name for entry in path.iterdir() if (entry / "plan.json").is_file()] if path.is_dir() else []
    return [name for name in ("latest", *sorted(found, reverse=True)) if name.startswith(incomplete)]


def images(incomplete: str) -> list[str]:
    """Names of environments with their versions."""
    from kit.resources import folder

    base = folder("images")
    found = sorted(path.parent.relative_to(base).as_posix() for path in base.glob("**/requirements.lock"))
    return [name for name in found if name.startswith(incomplete)]
