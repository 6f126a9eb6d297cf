"""Archives that `docker load` takes, of old engines too: a `manifest.json` that names configurations and layers."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MANIFEST = "manifest.json"
CONTENTS = "kit/contents/"
"""Where an archive of kit keeps the lists of contents; engines look at nothing but what the manifest names."""
_SMALL = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """One image in an archive: the digest of its configuration, by which it is known, its tags and its platform."""

    id: str
    tags: tuple[str, ...]
    platform: str
    labels: Mapping[str, str]


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


def copy(stream: IO[bytes], out: IO[bytes], contents: Mapping[str, bytes]) -> tuple[Held, ...]:
    """Copy an engine's archive, adding lists of contents by image id. Raises `ValueError` where it has no manifest."""
    found = _Small()
    with (
        tarfile.open(fileobj=stream, mode="r|") as source,
        tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in source:
            content = found.take(source, member)
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.size, plain.linkname, plain.mode = member.type, member.size, member.linkname, member.mode
            if content is not None:
                target.addfile(plain, io.BytesIO(content))
            elif member.isfile():
                target.addfile(plain, source.extractfile(member))
            else:
                target.addfile(plain)
        for identity, packed in sorted(contents.items()):
            add(target, f"{CONTENTS}{identity.removeprefix('sha256:')}", packed)
    return tuple(found.held())


def look(stream: IO[bytes]) -> tuple[tuple[Held, ...], dict[str, bytes]]:
    """The images in an archive, and the lists of contents by image id. Raises `ValueError` on what is none."""
    found = _Small()
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as source:
            for member in source:
                found.take(source, member)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"not an archive: {error}") from error
    prefix = len(CONTENTS)
    lists = {f"sha256:{name[prefix:]}": held for name, held in found.files.items() if name.startswith(CONTENTS)}
    return tuple(found.held()), lists


class _Small:
    """The small files of an archive: manifest and configurations stand behind the layers as often as before."""

    _WANTED = re.compile(rf"^(?:{MANIFEST}|[0-9a-f]{{64}}\.json|blobs/sha256/[0-9a-f]{{64}}|{CONTENTS}[0-9a-f]{{64}})$")

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def take(self, source: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
        """The content of a member where it is one of these; None where it was left alone."""
        if not (member.isfile() and member.size <= _SMALL and self._WANTED.match(member.name)):
            return None
        file = source.extractfile(member)
        content = file.read() if file is not None else b""
        if content.startswith((b"{", b"[")) or member.name.startswith(CONTENTS):
            self.files[member.name] = content
        return content

    def held(self) -> Iterator[Held]:
        """The images that the manifest names. Raises `ValueError` where it is missing or names what is not there."""
        try:
            for entry in json.loads(self.files[MANIFEST]):
                described = self.files[entry["Config"]]
                config = json.loads(described)
                yield Held(
                    f"sha256:{hashlib.sha256(described).hexdigest()}",
                    tuple(entry["RepoTags"] or ()),
                    f"{config['os']}/{config['architecture']}",
                    dict(config.get("config", {}).get("Labels") or {}),
                )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("the archive has no manifest.json that describes its images") from error
