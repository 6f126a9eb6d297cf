"""Images as they lie: comparing their content with what was built, and carrying them to another site in one file."""

import errno
import gzip
import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from kit import bounded, durable, images
from kit.errors import (
    EnvironmentUnavailableError,
    HostError,
    KitError,
    Problem,
    UsageError,
    VerificationError,
    together,
)
from kit.images import Image, archive, building, contents, loading, record
from kit.images.gathering import Places
from kit.ports import ImageStore, Progress, StoredImage
from kit.runtimes import notes
from kit.store import replace as write

_TOLD_EVERY = 100_000_000


@dataclass(frozen=True, slots=True)
class Saved:
    """An archive that was written."""

    path: Path
    sha256: str
    size_bytes: int
    held: tuple[archive.Held, ...]


def verify(image: Image, places: Places, store: ImageStore, progress: Progress) -> record.Built:
    """Read an image again. Raises `VerificationError` naming every path that is not as it was built."""
    there = stored(image, store)
    inputs = there.labels.get(images.LABEL)
    if inputs is None:
        hint = "such an image is known by its digest: docker image inspect prints it"
        raise UsageError(f"{image.title} was published by others, kit has no record of its content", hint=hint)
    expected = building.known(image, inputs, places)
    if expected is None:
        msg = f"nothing is recorded about {image.title} for {image.platform} with the inputs {inputs}"
        hint = "kit image build makes the image again, with its record"
        raise EnvironmentUnavailableError(msg, hint=hint)
    progress(f"{image.title}: reading its content")
    with store.files(there.id) as stream:
        found = contents.read(stream)
    if found.digest == expected.content:
        return expected
    msg = f"{image.title} for {image.platform} is not as it was built: content {found.digest}, recorded {expected.content}"
    kept = building.listing(places, expected.content)
    try:
        before = contents.unpack(bounded.read(kept, bounded.TEXT_BYTES))
    except (OSError, ValueError):
        hint = "which paths differ is known on the machine that built it, or where its archive was loaded with kit image load"
        raise VerificationError(msg, hint=hint) from None
    problems = [Problem("", line) for line in contents.differences(before, found)]
    hint = "kit image build --again makes it anew, kit image load FILE brings back one that was saved"
    raise VerificationError(msg, problems=problems, hint=hint)


def save(chosen: Sequence[Image], places: Places, store: ImageStore, out: Path, progress: Progress) -> Saved:
    """Write images into one compressed archive that old engines load too, with its SHA-256 beside it."""
    parts = list(zip(chosen, all_stored(chosen, store), strict=True))
    records = [_record(image, there, places) for image, there in parts]
    known = [built for built in records if built is not None]
    lists = {built.content: building.listing(places, built.content) for built in known}
    extra = {name: bounded.read(path, bounded.TEXT_BYTES) for name, path in lists.items() if path.is_file()}
    total = hashlib.sha256()
    try:
        # Beside the archive: it is too large for other places, and moves to its own at once. After a kill the next command removes it.
        with notes.scratch_in(out.parent, "image") as scratch:
            temporary = scratch / out.name
            with ExitStack() as stack:
                file = stack.enter_context(open(temporary, "xb"))
                hashed = _Hashed(file, total)
                # No name and no time in it: the same images give the same bytes.
                zipped = gzip.GzipFile("", "wb", 6, cast(IO[bytes], hashed), mtime=0)
                packed = cast(IO[bytes], stack.enter_context(zipped))
                writer = stack.enter_context(archive.Writer(packed, scratch))
                for image, there in parts:
                    progress(f"{image.title} {image.platform}: saving {there.size_bytes / 1e6:.0f} MB")
                    tags = [tag for tag in (image.tag, image.platform_tag) if tag in there.tags]
                    with store.archive(image.platform_tag) as stream:
                        writer.add(stream, tags)
                held = writer.finish(record.Lock(schema=1).with_records(known).to_bytes(), extra)
            digest, size = total.hexdigest(), temporary.stat().st_size
            # Archive and digest together: another kit may be saving to the same place.
            with durable.held(out.parent, busy=lambda: progress(f"another kit writes into {out.parent}: waiting")):
                temporary.replace(out)
                write(_beside(out), f"{digest}  {out.name}\n".encode())
    except ValueError as error:
        raise HostError(f"the engine gave an archive that kit cannot carry: {error}") from error
    except OSError as error:
        kind = "no space is left" if error.errno == errno.ENOSPC else error.strerror
        raise HostError(f"{out} cannot be written: {kind}") from error
    return Saved(out, digest, size, held)


def load(path: Path, places: Places, store: ImageStore, progress: Progress) -> tuple[archive.Held, ...]:
    """Take in an archive after comparing it with its SHA-256; each image is known by the digest of its configuration."""
    _check(path, progress)
    progress(f"{path.name}: looking into it")
    try:
        with open(path, "rb") as file:
            held, extra = archive.look(file)
    except ValueError as error:
        raise UsageError(f"{path} holds no images that docker load takes: {error}") from error
    progress(f"{path.name}: loading {len(held)} images")
    store.load(path.name, loading.pieces(path))
    own = store.platform()
    for image in held:
        names = [tag for tag in image.tags if store.find(tag) is not None]
        found = store.find(image.id) or (store.find(names[0]) if names else None)
        if found is None:
            raise HostError(f"{path.name} was loaded, but the engine does not show {image.id}")
        for tag in image.tags:
            suffix = f"-{image.platform.partition('/')[2]}"
            if image.platform == own and tag.startswith("kit/") and tag.endswith(suffix):
                store.tag(found.id, tag.removesuffix(suffix))
    _remember(extra, places)
    return held


def _remember(extra: dict[str, bytes], places: Places) -> None:
    """Keep what the archive says of its contents, for `verify`; what was recorded here is not overwritten."""
    for name, content in extra.items():
        if name == archive.RECORDS:
            brought = record.Lock.model_validate_json(content)
            here = record.read(places.records)
            write(places.records / record.FILE, brought.with_records(here.images).to_bytes())
        else:
            digest = contents.unpack(content).digest
            write(building.listing(places, digest), content)


def _record(image: Image, there: StoredImage, places: Places) -> record.Built | None:
    inputs = there.labels.get(images.LABEL)
    return building.known(image, inputs, places) if inputs is not None else None


def stored(image: Image, store: ImageStore) -> StoredImage:
    """The image as the engine has it. Raises `EnvironmentUnavailableError` where it has none."""
    found = store.find(image.platform_tag)
    if found is None:
        hint = f"kit image build {image.title} --platform {image.platform}, or kit image load FILE"
        raise EnvironmentUnavailableError(f"there is no image {image.platform_tag} on this machine", hint=hint)
    return found


def all_stored(chosen: Sequence[Image], store: ImageStore) -> tuple[StoredImage, ...]:
    """Images as the engine has them. Raises `EnvironmentUnavailableError` naming every one that it does not have."""
    found: list[StoredImage] = []
    lacking: list[KitError] = []
    for image in chosen:
        try:
            found.append(stored(image, store))
        except EnvironmentUnavailableError as error:
            lacking.append(error)
    if lacking:
        raise together("images are not on this machine", lacking, "kit image list shows which are")
    return tuple(found)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _check(path: Path, progress: Progress) -> None:
    """Raise before anything is loaded."""
    try:
        with bounded.opened(path) as file:
            size = os.fstat(file.fileno()).st_size
        expected = bounded.read(_beside(path), bounded.TEXT_BYTES).decode("utf-8").split()[0]
    except FileNotFoundError as error:
        missing = Path(error.filename)
        hint = "carry the .sha256 file that kit image save wrote beside the archive" if missing != path else ""
        raise UsageError(f"there is no file {missing}", hint=hint) from error
    except OSError as error:
        raise UsageError(f"{error.filename or path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, IndexError) as error:
        hint = "copy the file again that kit image save wrote beside the archive"
        raise UsageError(f"{_beside(path)} holds no SHA-256", hint=hint) from error
    total, done = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(1024 * 1024):
            total.update(piece)
            before, done = done, done + len(piece)
            if before // _TOLD_EVERY != done // _TOLD_EVERY:
                progress(f"{path.name}: {100 * done // size} % checked")
    if total.hexdigest() != expected:
        msg = f"{path} has SHA-256 {total.hexdigest()}, and {expected} was written down: nothing was loaded"
        raise VerificationError(msg, hint="the copy is damaged or was altered: copy it again")


class _Hashed:
    """A file to write to, with the digest of what was written."""

    def __init__(self, file: IO[bytes], total: "hashlib._Hash") -> None:
        self._file = file
        self._total = total

    def write(self, piece: bytes) -> int:
        self._total.update(piece)
        return self._file.write(piece)

    def flush(self) -> None:
        self._file.flush()
