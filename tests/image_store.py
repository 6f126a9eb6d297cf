"""An engine's images without an engine: archives are taken apart when they are loaded, and handed out as engines write them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO

from kit.ports import BuildOrder, Progress, StoredImage


def tar(files: Mapping[str, bytes], **changes: int) -> bytes:
    """Files as a tar file, in the order in which they are given; `changes` are fields of every entry."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for attribute, value in changes.items():
                setattr(entry, attribute, value)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def docker_save(config: bytes, tags: list[str], layers: list[bytes]) -> dict[str, bytes]:
    """The files of an archive as Docker up to 24 writes it: legacy files beside what the manifest names."""
    names = [f"{hashlib.sha256(b'legacy' + layer).hexdigest()}" for layer in layers]
    identity = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{identity}.json", "RepoTags": tags, "Layers": [f"{name}/layer.tar" for name in names]}]
    found: dict[str, bytes] = {}
    for name, layer in zip(names, layers, strict=True):
        found |= {f"{name}/VERSION": b"1.0", f"{name}/json": b'{"id":"x"}', f"{name}/layer.tar": layer}
    return {
        **found,
        f"{identity}.json": config,
        "manifest.json": json.dumps(manifest).encode(),
        "repositories": b"{}",
    }


def oci_save(config: bytes, tags: list[str], layers: list[bytes]) -> dict[str, bytes]:
    """The files of an archive as Docker since 25 writes it: blobs, and a manifest that points into them."""
    blobs = {f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob in (config, *layers)}
    names = list(blobs)
    manifest = [{"Config": names[0], "RepoTags": tags, "Layers": names[1:]}]
    return {**blobs, "index.json": b"{}", "oci-layout": b"{}", "manifest.json": json.dumps(manifest).encode()}


def config(layers: list[bytes], labels: Mapping[str, str] | None = None, architecture: str = "amd64") -> bytes:
    """What an image says of itself."""
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    said = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Labels": dict(labels or {})},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    return json.dumps(said).encode()


@dataclass
class Kept:
    """One image."""

    config: bytes
    layers: list[bytes]
    stored: StoredImage


@dataclass
class FakeImages:
    """What `ImageStore` asks for; nothing is built or fetched."""

    own: str = "linux/amd64"
    kept: dict[str, Kept] = field(default_factory=dict)
    loaded: int = 0

    def put(self, described: bytes, layers: list[bytes], *tags: str) -> str:
        """Take in an image, under its names."""
        said = json.loads(described)
        identity = f"sha256:{hashlib.sha256(described).hexdigest()}"
        stored = StoredImage(
            id=identity,
            platform=f"{said['os']}/{said['architecture']}",
            size_bytes=sum(map(len, layers)),
            placed=None,
            labels=said["config"]["Labels"],
            tags=(),
        )
        self.kept[identity] = Kept(described, layers, stored)
        for tag in tags:
            self.tag(identity, tag)
        return identity

    def platform(self) -> str:
        return self.own

    def find(self, reference: str) -> StoredImage | None:
        found = [kept.stored for kept in self.kept.values() if reference in (kept.stored.id, *kept.stored.tags)]
        return found[0] if found else None

    def labelled(self, label: str) -> tuple[StoredImage, ...]:
        return tuple(kept.stored for kept in self.kept.values() if label in kept.stored.labels)

    def tag(self, identity: str, tag: str) -> None:
        for kept in self.kept.values():
            tags = [name for name in kept.stored.tags if name != tag]
            kept.stored = replace(kept.stored, tags=(*tags, *([tag] if kept.stored.id == identity else [])))

    def untag(self, tag: str) -> None:
        self.tag("", tag)

    def build(self, order: BuildOrder, progress: Progress) -> str:
        raise AssertionError(f"nothing is built here: {order} {progress}")

    def load(self, name: str, content: Iterable[bytes]) -> None:
        del name
        self.loaded += 1
        with tarfile.open(fileobj=io.BytesIO(b"".join(content)), mode="r:") as packed:
            inside = {entry.name: packed.extractfile(entry) for entry in packed}
            files = {name: file.read() for name, file in inside.items() if file is not None}
        for entry in json.loads(files["manifest.json"]):
            self.put(files[entry["Config"]], [files[name] for name in entry["Layers"]], *entry["RepoTags"])

    def pull(self, reference: str, platform: str, progress: Progress) -> None:
        raise AssertionError(f"nothing is fetched here: {reference} {platform} {progress}")

    @contextmanager
    def files(self, identity: str) -> Iterator[IO[bytes]]:
        (layer,) = self.kept[identity].layers
        yield io.BytesIO(layer)

    @contextmanager
    def archive(self, reference: str) -> Iterator[IO[bytes]]:
        found = self.find(reference)
        assert found is not None
        kept = self.kept[found.id]
        yield io.BytesIO(tar(docker_save(kept.config, list(found.tags), kept.layers)))
