"""Whether the weights that were served are the same: by the names, sizes and digests of their files."""

from collections.abc import Sequence
from itertools import combinations

from kit.comparing.sides import Side
from kit.model.bundle import WeightFile
from kit.model.comparison import Differing

_SHOWN = 5
_TEXTS = (".md", ".png", ".jpg", ".jpeg", ".svg", ".gif", ".pdf")
"""What lies beside weights and no engine reads."""

Files = dict[str, WeightFile]


def differing(sides: Sequence[Side]) -> list[Differing]:
    """Every file that two sides certainly do not share; the first few by name, then how many more."""
    every = [_files(side) for side in sides]
    names = dict.fromkeys(name for files in every for name in files)
    wrong = [name for name in names if any(_apart(*two, name) for two in combinations(filter(None, every), 2))]
    found = [
        Differing(
            group="load",
            name=f"weights: {name}",
            values=tuple(_told(files.get(name)) if files else None for files in every),
        )
        for name in wrong[:_SHOWN]
    ]
    if (more := len(wrong) - _SHOWN) > 0:
        values = tuple(f"{len(files)} files" if files else None for files in every)
        found.append(Differing(group="load", name=f"weights: {more} more files", values=values))
    return found


def apart(first: Side, second: Side) -> bool:
    """Whether two sides certainly served other weights."""
    files = _files(first), _files(second)
    return all(files) and any(_apart(*files, name) for name in dict.fromkeys((*files[0], *files[1])))


def untold(side: Side) -> bool:
    """Whether of some file of a side nobody knows what it holds."""
    files = _files(side)
    return not files or any(file.sha256 is None for file in files.values())


def proven(sides: Sequence[Side]) -> bool:
    """Whether all sides tell the digests of all files, and use them alike: then the names of folders say nothing more.

    Only where `differing` finds nothing.
    """
    return not any(map(untold, sides)) and len({dict(side.arguments).get("--quantization") for side in sides}) == 1


def _files(side: Side) -> Files:
    """By the number of the model and the name: the folders may be called otherwise elsewhere."""
    return {
        file.name if len(side.weights) == 1 else f"{number} {file.name}": file
        for number, entry in enumerate(side.weights, start=1)
        for file in entry.files
        if not file.name.lower().endswith(_TEXTS)
    }


def _apart(first: Files, second: Files, name: str) -> bool:
    one, other = first.get(name), second.get(name)
    if one is None or other is None:
        return one is not other
    return one.size != other.size or (None not in (one.sha256, other.sha256) and one.sha256 != other.sha256)


def _told(file: WeightFile | None) -> str:
    if file is None:
        return "—"
    return f"{file.size} bytes" + (f", sha256:{file.sha256[:12]}…" if file.sha256 else "")
