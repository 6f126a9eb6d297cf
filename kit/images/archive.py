"""Archives that `docker load` takes, of old engines too: a `manifest.json` that names configurations and layers."""

import hashlib
import io
import json
import posixpath
import re
import tarfile
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self, TypedDict

MANIFEST = "manifest.json"
CONTENTS = "kit/contents/"
"""Where an archive of kit keeps the lists of contents; engines look at nothing but what the manifest names."""
RECORDS = "kit/lock.json"
"""Where it keeps the records of its images."""
_LAYER = re.compile(r"(?:^|/)layer\.tar$|^[0-9a-f]{64}\.tar$|^blobs/sha256/")
"""What Docker, Podman and newer Docker call a layer."""
_PIECE = 1024 * 1024
_SMALL = 16 * 1024 * 1024
_KEPT, _EACH = 64 * 1024 * 1024, 1024
"""Bytes of small files that are kept together, and what each of them takes beside its content."""
_LONGEST_NAME = 65536
_NAMES = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_ENDLESS = (tarfile.XGLTYPE, tarfile.GNUTYPE_SPARSE)
"""Headers that add up; no engine writes them."""


class Entry(TypedDict):
    """One image in a manifest."""

    Config: str
    RepoTags: list[str] | None
    Layers: list[str]


@dataclass(frozen=True, slots=True)
class Held:
    """One image in an archive: the digest of its configuration, by which it is known, its tags and its platform; the
    configuration itself, and the names of the files with its layers."""

    id: str
    tags: tuple[str, ...]
    platform: str
    labels: Mapping[str, str]
    described: bytes = field(repr=False)
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """What an image made of one layer says of itself."""

    architecture: str
    created: str
    labels: Mapping[str, str]
    env: Sequence[str]
    user: str
    command: Sequence[str]


def write(rootfs: Path, config: Config, tag: str, out: Path) -> str:
    """An archive with one layer. Its id, which is the digest of its configuration, is the same for the same input."""
    with open(rootfs, "rb") as file:
        layer = hashlib.file_digest(file, "sha256").hexdigest()
    document = {
        "architecture": config.architecture,
        "os": "linux",
        "created": config.created,
        **({"variant": "v8"} if config.architecture == "arm64" else {}),
        "config": {
            "Env": list(config.env),
            "User": config.user,
            "Cmd": list(config.command),
            "Labels": dict(config.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": config.created, "created_by": "kit"}],
    }
    described = json.dumps(document, sort_keys=True).encode()
    identity = hashlib.sha256(described).hexdigest()
    manifest = [{"Config": f"{identity}.json", "RepoTags": [tag], "Layers": [f"{layer}/layer.tar"]}]
    with tarfile.open(out, "w") as archive:
        add(archive, f"{identity}.json", described)
        add(archive, MANIFEST, json.dumps(manifest).encode())
        entry = tarfile.TarInfo(f"{layer}/layer.tar")
        entry.size = rootfs.stat().st_size
        with open(rootfs, "rb") as file:
            archive.addfile(entry, file)
    return f"sha256:{identity}"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a small file whose bytes are all that is known of it."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


class Writer:
    """Writes images into one archive, every layer once, under names that depend on nothing but their content."""

    def __init__(self, out: IO[bytes], scratch: Path) -> None:
        self._archive = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._scratch = scratch
        self._layers: set[str] = set()
        self._held: list[Held] = []
        self._manifest: list[Entry] = []

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Whatever ended it: left open it would write its rest when it is destroyed, into a file that is closed by then.
        with suppress(OSError) if kind is not None else nullcontext():
            self._archive.close()

    def add(self, stream: IO[bytes], tags: Sequence[str]) -> None:
        """Take over the one image of an engine's archive. Raises `ValueError` where that is not whole."""
        found, layers, links = _Small(), dict[str, str](), dict[str, str]()
        try:
            with tarfile.open(fileobj=stream, mode="r|") as source:
                for member in source:
                    if member.issym() or member.islnk():
                        place = posixpath.dirname(member.name) if member.issym() else ""
                        links[member.name] = posixpath.normpath(posixpath.join(place, member.linkname))
                    elif member.isfile() and (content := found.take(source, member)) is not None:
                        if member.name not in found.files:
                            layers[member.name] = self._layer(io.BytesIO(content))
                    elif member.isfile() and _LAYER.search(member.name):
                        layers[member.name] = self._layer(source.extractfile(member) or io.BytesIO())
            (entry,) = found.entries()
            described = found.files[entry["Config"]]
            wanted = [layers[links.get(name, name)] for name in entry["Layers"]]
            stated = [name.removeprefix("sha256:") for name in json.loads(described)["rootfs"]["diff_ids"]]
        except (tarfile.TarError, EOFError, KeyError, TypeError) as error:
            raise ValueError(f"not an archive of one image: {error!r}") from error
        if wanted != stated:
            raise ValueError("its layers are not those that its configuration names")
        identity = hashlib.sha256(described).hexdigest()
        if identity not in {held.id.removeprefix("sha256:") for held in self._held}:
            add(self._archive, f"{identity}.json", described)
            self._manifest.append(
                {
                    "Config": f"{identity}.json",
                    "RepoTags": list(tags),
                    "Layers": [f"{digest}/layer.tar" for digest in wanted],
                }
            )
            self._held.append(_held(described, tags, entry["Layers"]))

    def finish(self, records: bytes, contents: Mapping[str, bytes]) -> tuple[Held, ...]:
        """Write what an engine looks for first, and what kit knows of the images: records, and contents by digest."""
        add(self._archive, MANIFEST, json.dumps(self._manifest).encode())
        add(self._archive, RECORDS, records)
        for digest, packed in sorted(contents.items()):
            add(self._archive, f"{CONTENTS}{digest.removeprefix('sha256:')}", packed)
        return tuple(self._held)

    def _layer(self, file: IO[bytes]) -> str:
        """Write a layer unless it is there already; its digest is known only once it was read."""
        total = hashlib.sha256()
        with tempfile.TemporaryFile(dir=self._scratch) as kept:
            while piece := file.read(_PIECE):
                total.update(piece)
                kept.write(piece)
            digest = total.hexdigest()
            if digest not in self._layers:
                self._layers.add(digest)
                entry = tarfile.TarInfo(f"{digest}/layer.tar")
                entry.size = kept.tell()
                kept.seek(0)
                self._archive.addfile(entry, kept)
        return digest


def look(stream: IO[bytes]) -> tuple[tuple[Held, ...], dict[str, bytes]]:
    """The images in an archive, and what kit added to it, by name. Raises `ValueError` on what is none."""
    found = _Small()
    try:
        with Foreign.open(fileobj=stream, mode="r|*") as source:
            for member in source:
                found.take(source, member)
                # It would keep all of them.
                source.members.clear()
    except (tarfile.TarError, EOFError, OSError, RecursionError, zlib.error) as error:
        raise ValueError(f"not an archive: {error}") from error
    try:
        held = tuple(
            _held(found.files[entry["Config"]], entry["RepoTags"] or (), entry["Layers"]) for entry in found.entries()
        )
    except (AttributeError, KeyError, RecursionError, TypeError) as error:
        raise ValueError("the archive has no manifest.json that describes its images") from error
    extra = {name: content for name, content in found.files.items() if name == RECORDS or name.startswith(CONTENTS)}
    return held, extra


def _held(described: bytes, tags: Sequence[str], layers: Sequence[str]) -> Held:
    config = json.loads(described)
    if not all(isinstance(text, str) for text in (*tags, *layers)):
        raise TypeError("a name is no text")
    return Held(
        f"sha256:{hashlib.sha256(described).hexdigest()}",
        tuple(tags),
        f"{config['os']}/{config['architecture']}",
        dict(config.get("config", {}).get("Labels") or {}),
        described,
        tuple(layers),
    )


class _Header(tarfile.TarInfo):
    """A header of an archive from elsewhere, which takes little memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _ENDLESS or (found.type in _NAMES and found.size > _LONGEST_NAME):
            raise tarfile.ReadError("it has a header that no engine writes")
        return found


class Foreign(tarfile.TarFile):
    """An archive from elsewhere."""

    tarinfo = _Header
    members: list[tarfile.TarInfo]


class _Small:
    """The small files of an archive: manifest and configurations stand behind the layers as often as before."""

    _WANTED = re.compile(
        rf"^(?:{MANIFEST}|{RECORDS}|[0-9a-f]{{64}}\.json|blobs/sha256/[0-9a-f]{{64}}|{CONTENTS}[0-9a-f]{{64}})$"
    )

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._left = _KEPT

    def take(self, source: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
        """The content of a member where it is one of these; None where it was left alone.

        Raises `ValueError` where all together would take too much memory.
        """
        if not (member.isfile() and member.size <= _SMALL and self._WANTED.match(member.name)):
            return None
        file = source.extractfile(member)
        content = file.read() if file is not None else b""
        if content.startswith((b"{", b"[")) or member.name.startswith(CONTENTS):
            self._left -= len(content) + _EACH
            if self._left < 0:
                raise ValueError(f"its lists and descriptions are larger than {_KEPT} bytes together")
            self.files[member.name] = content
        return content

    def entries(self) -> list[Entry]:
        """What the manifest says of each image. Raises `ValueError` where there is none."""
        try:
            found = json.loads(self.files[MANIFEST])
        except KeyError:
            raise ValueError("the archive has no manifest.json that describes its images") from None
        if not isinstance(found, list):
            raise ValueError("its manifest.json is not a list of images")
        return found
