"""The profiles at hand: those that come with kit, and those in `./profiles`. Light, since completion and `list` ask it."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from kit import bounded
from kit.errors import ProfileError
from kit.resources import folder

_LARGEST_BYTES = 1_000_000


def names() -> dict[str, Path]:
    """The profiles that come with kit, by name, and those in `./profiles`, which come first where both have a name."""
    found: dict[str, Path] = {}
    for directory in (folder("profiles"), Path("profiles")):
        for path in sorted(directory.glob("*.yaml")):
            found[path.stem] = path
    return dict(sorted(found.items()))


def descriptions() -> Iterator[tuple[str, str]]:
    """Every profile's name with its description, without validating them."""
    for name, path in names().items():
        try:
            content = bounded.read(path, _LARGEST_BYTES)
        except OSError as error:
            yield name, f"(cannot be read: {error.strerror})"
            continue
        for line in content.decode("utf-8", errors="replace").splitlines():
            if line.startswith("description:"):
                yield name, line.partition(":")[2].strip().strip("\"'")
                break
        else:
            yield name, ""


def find(reference: str) -> Path:
    """The file of a profile, given its name or its path."""
    path = Path(reference)
    if path.suffix in (".yaml", ".yml") or "/" in reference:
        if not os.path.isfile(path):  # Path raises where a name is too long for a file
            raise ProfileError(f"there is no profile file {reference}", hint="kit profile list shows the profiles")
        return path
    known = names()
    if reference in known:
        return known[reference]
    near = difflib.get_close_matches(reference, known, n=1, cutoff=0.4)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise ProfileError(f"there is no profile {reference!r}", hint=f"{meant}kit profile list shows them all")


def base(name: str, beside: Path) -> Path:
    """The file that a profile extends: `NAME.yaml` beside it, or among those that come with kit."""
    for directory in (beside, folder("profiles")):
        if (path := directory / f"{name}.yaml").is_file():
            return path
    raise ProfileError(f"extends: there is no {name}.yaml in {beside} or among kit's profiles")


def text(path: Path) -> str:
    """A profile's text, limited in size."""
    try:
        return bounded.read(path, _LARGEST_BYTES).decode("utf-8")
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path} is not UTF-8 text (byte {error.start})") from error
