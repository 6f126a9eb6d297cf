"""Weights on disk: whether a copy is whole, and lists of digests as `sha256sum` writes and checks them."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit import bounded
from kit.errors import HostError
from kit.instrument import foreign
from kit.model.bundle import WeightFile, Weights

LIST = "SHA256SUMS"
SUFFIXES = (".safetensors", ".gguf", ".bin", ".pt", ".kt")
_SHARD = re.compile(r"(.*-)(\d{5})-of-(\d{5})(\.\w+)")
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_LONGEST_HEADER = 100_000_000
_LARGEST_INDEX = 256 * 1024**2
_BLOCK = 4 * 1024**2
_READ_BYTES = 64 * 1024**2
_READ_BYTES_TOGETHER = 512 * 1024**2


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in a directory of weights, and what is wrong with it."""

    files: int
    size_bytes: int
    indexed: bool
    problems: tuple[str, ...]


def look(directory: Path) -> Found:
    """Look at names, sizes and the headers of the files, which are quick to read whatever their size. Raises `OSError`."""
    present = sorted(
        path
        for path in directory.rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and ".cache" not in path.parts
    )
    problems: list[str] = []
    indexes = sorted(directory.glob("*.index.json"))
    for index in indexes:
        problems += _index(index)
    problems += _shards([path.name for path in present])
    if not present and not problems:
        problems.append("holds no weights (safetensors, gguf, bin)")
    for path in present:
        problems += _file(path)
    return Found(
        len(present), sum(path.stat().st_size for path in present), bool(indexes), tuple(dict.fromkeys(problems))
    )


def _index(path: Path) -> Iterator[str]:
    """Every file that an index names is there, and together they hold what it counts."""
    try:
        data = foreign.loads(bounded.read(path, _LARGEST_INDEX).decode("utf-8"))
        if not isinstance(data, dict):
            raise TypeError
        names = sorted({str(name) for name in data["weight_map"].values()})
        total = data.get("metadata", {}).get("total_size")
    except (ValueError, KeyError, AttributeError, TypeError):
        yield f"{path.name} is no index of weights"
        return
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        shown = ", ".join(missing[:3])
        yield f"{len(missing)} of {len(names)} files of {path.name} are missing: {shown}{' …' * (len(missing) > 3)}"
    elif isinstance(total, int | float):
        size = sum((path.parent / name).stat().st_size for name in names)
        # Headers come on top: a whole copy is never smaller than its tensors.
        if size < total:
            yield f"the files of {path.name} hold {size} bytes, fewer than the {int(total)} that it counts"


def _shards(names: list[str]) -> Iterator[str]:
    """Files that count themselves (`-00002-of-00163`) are all there."""
    seen: dict[tuple[str, str, str], set[int]] = {}
    for name in names:
        if found := _SHARD.fullmatch(name):
            seen.setdefault((found[1], found[3], found[4]), set()).add(int(found[2]))
    for (stem, of, suffix), numbers in seen.items():
        # Some makers count from 0.
        missing = sorted(set(range(min(numbers) and 1, int(of) + (min(numbers) and 1))) - numbers)
        if missing:
            yield f"{len(missing)} of {int(of)} shards are missing, such as {stem}{missing[0]:05d}-of-{of}{suffix}"


def _file(path: Path) -> Iterator[str]:
    size = path.stat().st_size
    if size == 0:
        yield f"{path.name} is empty"
    elif path.suffix == ".safetensors":
        told = _safetensors_bytes(path)
        if told is None:
            yield f"{path.name} has no whole header"
        elif told != size:
            yield f"{path.name} has {size} bytes, its header tells {told}"
    elif path.suffix == ".gguf":
        with open(path, "rb") as file:
            if file.read(4) != b"GGUF":
                yield f"{path.name} does not begin as a GGUF file"


def _safetensors_bytes(path: Path) -> int | None:
    """The size that the header of a safetensors file gives it."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= _LONGEST_HEADER:
            return None
        raw = file.read(length)
    try:
        header = foreign.loads(raw.decode("utf-8"))
        if not isinstance(header, dict):
            return None
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    return 8 + length + max(ends, default=0)


def digests(directory: Path) -> Iterator[tuple[str, str]]:
    """SHA-256 and name of every file below a directory, in the order of their names. Raises `HostError`."""
    if not directory.is_dir():
        raise HostError(f"{directory} is not a directory on this machine")
    for path, name in _files(directory):
        yield sha256(path), name


def named(path: Path) -> Weights:
    """What lies at a path: every file by size, and by SHA-256 where that is cheap: small files (configurations, tokenizers,
    indexes) are read, of the others the list that lies beside them tells. Raises `HostError` or `OSError`."""
    known = dict(listed(path)) if (path / LIST).is_file() else {}
    left = _READ_BYTES_TOGETHER
    found = []
    for name, size in files(path):
        digest = known.get(name)
        if size <= min(_READ_BYTES, left):
            left -= size
            digest = sha256(path if path.is_file() else path / name)
        found.append(WeightFile(name=name, size=size, sha256=digest))
    return Weights(path=str(path), files=tuple(found))


def files(path: Path) -> list[tuple[str, int]]:
    """Name and size of every file that `digests` would read; of a single file its own."""
    if path.is_file():
        return [(path.name, path.stat().st_size)]
    return [(name, found.stat().st_size) for found, name in _files(path)]


def _files(directory: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name != LIST and not name.startswith(".") and "/." not in name:
            yield path, name


def listed(directory: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of every file that the list in a directory names. Raises `HostError` where it cannot be read."""
    place = directory / LIST
    try:
        lines = bounded.read(place, bounded.TEXT_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{place} cannot be read: {getattr(error, 'strerror', error)}") from error
    for number, line in enumerate(lines, start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise HostError(f"{place}, line {number} is not of the form that sha256sum writes")
        yield found[2], found[1]


def differ(directory: Path, *, contents: bool) -> Iterator[str]:
    """What is not as the list in the directory says: files that are missing, and with `contents` those that are others.

    Raises `HostError` where the list cannot be read.
    """
    for name, digest in listed(directory):
        path = directory / name
        if not path.is_file():
            yield f"{name} is missing"
        elif contents and sha256(path) != digest:
            yield f"{name} holds something else than the list says"


def sha256(path: Path) -> str:
    """The SHA-256 of a file. Raises `HostError`."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()
