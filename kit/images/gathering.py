"""Fetching, with network, all that images are built from, into one folder that can be carried to another site."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit import images
from kit.durable import held
from kit.errors import EnvironmentUnavailableError, HostError, Problem, UsageError
from kit.images import Image, artifacts
from kit.ports import ImageStore, Progress, StoredImage
from kit.runtimes import debian, fetching
from kit.runtimes.sources import Source

PYTHON = "3.11"
"""The Python of kit's base; a site's own base must have the same."""
BUILT = "built.sha256"
"""In the folder: the digests of wheels that were built from source-only packages, which no lock can name."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie on this machine: kit's definitions and modules, what was fetched, vendor files, and records."""

    images: Path
    kit: Path
    fetched: Path
    artifacts: Path
    records: Path


def fetch(
    image: Image, places: Places, progress: Progress, *, mirror: str | None = None, own_base: bool = False
) -> None:
    """Put everything that an image and those below it are built from into the folder `places.fetched`; with `own_base`
    all but the base. Waits for another kit that fetches into it."""

    def busy() -> None:
        progress(f"{image.title}: another kit fetches into {places.fetched}, waiting for it")

    try:
        places.fetched.mkdir(parents=True, exist_ok=True)
        with held(places.fetched, busy):
            _fetch(image, places, progress, mirror, own_base)
    except OSError as error:
        kind = "no space is left" if error.errno == errno.ENOSPC else error.strerror
        raise HostError(f"{error.filename or places.fetched} cannot be written: {kind}") from error


def _fetch(image: Image, places: Places, progress: Progress, mirror: str | None, own_base: bool) -> None:
    version = image.version or "latest"
    taken: tuple[artifacts.Artifact, ...] = ()
    if artifacts.declared(image.images, image.name) is not None:
        asked = (image.images, image.name, version, image.platform, places.artifacts, progress)
        taken = artifacts.require(*asked, own_base=own_base)
    below, folder = image.base(), places.fetched
    # The vendor's own image has all that it stands on.
    whole = any(artifact.record.kind == "image" for artifact in taken)
    if below is not None and not own_base and not whole:
        _fetch(below, places, progress, mirror, own_base=False)
    if (wanted := image.definition.debian) is not None:
        packages = debian.read_lock(image.packages_lock)
        debian.fetch(packages, image.architecture, wanted.suite, debs(image, folder), mirror, progress)
    if (source := image.source) is not None:
        wheels(image, source, folder, progress)
    if any(artifact.record.kind == "wheel" for artifact in taken):
        locked = Source(image.images, image.name, image.version)
        fetching.fetch_lock(locked, image.images / "pip.lock", folder, brought=fetching.carried())
    for artifact in taken:
        target = folder / "artifacts" / image.name / artifact.path.name
        if not (target.exists() and os.path.samefile(target, artifact.path)):
            target.parent.mkdir(parents=True, exist_ok=True)
            progress(f"{image.title}: copying {artifact.path.name}")
            copy(artifact.path, target)


def wheels(image: Image, source: Source, folder: Path, progress: Progress) -> None:
    """Every wheel for the platform of an image, and pip itself."""
    brought = fetching.carried()
    fetching.fetch(source, folder, progress, target=target(image), brought=brought)
    fetching.fetch_lock(source, image.images / "pip.lock", folder, brought=brought)
    found = dict(read_built(folder))
    for wheel in fetching.built(source, folder) or ():
        if not wheel.name.endswith("-none-any.whl"):
            raise EnvironmentUnavailableError(f"{wheel.name} was built for this machine only", hint="report this")
        found[wheel.name] = _digest(wheel)
    if found:
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(found.items()))
        temporary = folder / f".{BUILT}.part"
        temporary.write_text(lines, "utf-8")
        os.replace(temporary, folder / BUILT)


def published(image: Image) -> str:
    """The name and digest of an image that others publish. Raises `UsageError` where a site has not chosen one yet."""
    wanted = image.definition
    if not wanted.digest:
        path = image.folder / images.FILE
        hint = (
            f'write the digest that its registry shows into {path} (digest = "sha256:…"): a tag may change its meaning'
        )
        raise UsageError(f"{image.name} is {wanted.reference}, and no digest of it is recorded", hint=hint)
    return f"{str(wanted.reference).partition('@')[0]}@{wanted.digest}"


def pull(reference: str, image: Image, store: ImageStore, progress: Progress) -> None:
    """Fetch a published image, by digest, where the engine does not have it."""
    if store.find(reference) is None:
        store.pull(reference, image.platform, progress)


def present(image: Image, store: ImageStore) -> StoredImage:
    """A published image as the engine has it, by digest. Raises where it is not chosen, not there, or for another platform."""
    reference = published(image)
    found = store.find(reference)
    if found is None:
        hint = f"with network: kit image fetch {image.title}; without: carry it with docker save and docker load"
        raise EnvironmentUnavailableError(f"the engine has no image {reference}", hint=hint)
    if found.platform != image.platform:
        raise UsageError(f"{reference} is for {found.platform} on this engine, and {image.platform} is asked for")
    return found


def target(image: Image) -> fetching.Target:
    """What pip must know of the platform of an image."""
    return fetching.Target(images.MACHINES[image.platform], PYTHON)


def vendor_files(image: Image, places: Places) -> Path:
    """What was carried along with the other inputs of this image, else what was added on this machine."""
    carried = places.fetched / "artifacts"
    return carried if (carried / image.name).is_dir() else places.artifacts


def debs(image: Image, folder: Path) -> Path:
    """Where the Debian packages of an image lie in a folder that was fetched."""
    return folder / f"debs-{image.architecture}"


def read_built(folder: Path) -> Iterator[tuple[str, str]]:
    """The wheels that were built when a folder was fetched, with their SHA-256."""
    path = folder / BUILT
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        digest, _, name = line.partition("  ")
        yield name, digest


def checked_built(source: Source, folder: Path) -> dict[Path, str]:
    """The wheels in a folder that were built from source-only packages, each compared with what it was when it was built."""
    found = fetching.built(source, folder)
    if found is None:
        hint = f"kit image fetch {source.name}, then carry the whole folder"
        raise EnvironmentUnavailableError(f"{folder} lacks wheels of {source.sdists}", hint=hint)
    known = dict(read_built(folder))
    digests = {wheel: _digest(wheel) for wheel in found}
    if problems := [
        Problem(str(wheel), f"has SHA-256 {digest}, and {known.get(wheel.name, 'nothing')} was written down")
        for wheel, digest in digests.items()
        if known.get(wheel.name) != digest
    ]:
        msg = "wheels are not those that were fetched"
        raise EnvironmentUnavailableError(msg, problems=problems, hint="fetch them again: kit image fetch")
    return digests


def copy(source: Path, target: Path) -> None:
    """A file under another name, whole or not at all; as a link where the file system can."""
    temporary = target.with_name(f".{target.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    os.replace(temporary, target)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
