"""Archives on their way into an engine: as they are, or written anew with the names that kit gives their images."""

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from kit.images.archive import MANIFEST, Entry, Foreign, Held

_GZIP = b"\x1f\x8b"
_PIECE = 1024 * 1024


def pieces(path: Path) -> Iterator[bytes]:
    """An archive as engines take it. Unpacked here: Podman's socket does not take what is compressed."""
    with open(path, "rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        yield from _read(cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file)


def by_id(identity: str) -> str:
    """The name of an image that nobody else has named: it follows from what the image is, so no other image can have it."""
    return f"kit/by-id:{identity.removeprefix('sha256:')}"


def renamed(stream: IO[bytes], chosen: Sequence[Held]) -> Iterator[bytes]:
    """Images of an archive from elsewhere as an archive that is written anew: no name but that of `by_id`, and nothing beside
    them, since an engine might see more in the old one than kit does.

    Raises `ValueError` where a layer is missing.
    """
    layers = {one: f"{hashlib.sha256(one.encode()).hexdigest()}/layer.tar" for held in chosen for one in held.layers}
    entries: list[Entry] = []
    for held in chosen:
        name = f"{held.id.removeprefix('sha256:')}.json"
        entries.append({"Config": name, "RepoTags": [by_id(held.id)], "Layers": [layers[one] for one in held.layers]})
        yield from _file(name, [held.described], len(held.described))
    missing = dict(layers)
    try:
        with Foreign.open(fileobj=stream, mode="r|*") as source:
            for member in source:
                source.members.clear()
                if not member.isfile() or member.name not in missing:
                    continue
                content = source.extractfile(member)
                assert content is not None
                yield from _file(missing.pop(member.name), _read(content), member.size)
    except (tarfile.TarError, EOFError, OSError, RecursionError, zlib.error) as error:
        raise ValueError(f"not an archive: {error}") from error
    if missing:
        raise ValueError(f"{len(missing)} layers that its manifest.json names are missing")
    manifest = json.dumps(entries).encode()
    yield from _file(MANIFEST, [manifest], len(manifest))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file(name: str, content: Iterable[bytes], size: int) -> Iterator[bytes]:
    """A file as it stands in a tar file."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    yield entry.tobuf(tarfile.GNU_FORMAT)
    yield from content
    yield bytes(-size % tarfile.BLOCKSIZE)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
