"""What `kit image` does, end to end: here the doors are opened and handed to the layers below."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import kit
from kit import images, runtimes
from kit.errors import EnvironmentUnavailableError, UsageError
from kit.images import Image, archive, artifacts, building, carrying, gathering, lacking, record
from kit.images.building import Outcome, Wanted
from kit.images.gathering import Places
from kit.model import Environment
from kit.ports import ImageStore, Progress, Runtime
from kit.resources import cache, folder
from kit.runtimes import debian, fetching
from kit.workflows import writing


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of `kit image list`."""

    name: str
    version: str | None
    platform: str
    state: str
    size_bytes: int | None
    id: str | None
    content: str | None
    placed: datetime | None


def places(fetched: Path | None = None) -> Places:
    """Where things lie, with another folder for what is fetched."""
    base = cache()
    package = Path(kit.__file__).resolve().parent
    return Places(folder("images"), package, fetched or base / "fetched", artifacts.store(base), base / "images")


def open_store() -> ImageStore:
    """The images of the Docker engine."""
    from kit.runtimes.docker.images import DockerImages

    return DockerImages()


def platform(wanted: str | None, store: ImageStore | None = None) -> str:
    """The platform that is asked for: `linux/arm64` or just `arm64`; this machine's where none is."""
    if wanted is not None:
        return wanted if "/" in wanted else f"linux/{wanted}"
    if store is not None:
        return store.platform()
    machine = os.uname().machine
    return next((name for name, found in images.MACHINES.items() if found == machine), f"linux/{machine}")


def fetch(
    names: Sequence[str],
    wanted: str | None,
    out: Path | None,
    mirror: str | None,
    base: str | None,
    progress: Progress,
) -> Path:
    """Fetch what images are built from into a folder, and without a platform also what this machine's Python needs."""
    where = places(out)
    chosen = [images.find(where.images, name, platform(wanted)) for name in names]
    # Without a platform the folder must serve the process runtime too, on machines that cannot make images.
    able = wanted is not None or debian.available()
    own_base = base is not None or not able
    lacking.to_fetch(chosen, where, own_base=own_base)
    for image in chosen:
        if image.definition.reference is not None:
            gathering.pull(gathering.published(image), image, open_store(), progress)
            continue
        if base is not None:
            gathering.pull(base, image, open_store(), progress)
        gathering.fetch(image, where, progress, mirror=mirror, own_base=own_base)
        if wanted is None and image.source is not None and fetching.own_python() != gathering.PYTHON:
            fetching.fetch(image.source, where.fetched, progress, brought=fetching.carried())
        if not able:
            progress(
                f"{image.title}: without mmdebstrap here, Debian's packages were left out; kit image build needs them"
            )
    return where.fetched


def build(
    names: Sequence[str],
    wanted: str | None,
    fetched: Path | None,
    options: Wanted,
    progress: Progress,
) -> Iterator[Outcome]:
    """Build images, one after the other; what any of them lacks is told before the first is begun."""
    store, where = open_store(), places(fetched)
    chosen = _chosen(names, wanted, store)
    building.require(chosen, where, store, options)
    for image in chosen:
        yield building.build(image, where, store, progress, options)


def verify(names: Sequence[str], wanted: str | None, progress: Progress) -> Iterator[record.Built]:
    """Read images again, one after the other, if all are there; the first that is not as it was built ends it."""
    store, where = open_store(), places()
    chosen = _chosen(names, wanted, store)
    carrying.all_stored(chosen, store)
    for image in chosen:
        yield carrying.verify(image, where, store, progress)


def save(names: Sequence[str], wanted: Sequence[str], out: Path, progress: Progress) -> carrying.Saved:
    """Write images, each for every platform asked for, into one archive."""
    store, where = open_store(), places()
    platforms = wanted or [store.platform()]
    chosen = [image for one in platforms for image in _chosen(names, one, store)]
    return carrying.save(chosen, where, store, out, progress)


def present(name: str, wanted: str, store: ImageStore) -> bool:
    """Whether the engine has an image for a platform."""
    return store.find(images.find(places().images, name, wanted).platform_tag) is not None


def load(path: Path, progress: Progress) -> tuple[archive.Held, ...]:
    """Take in the images of an archive that is what it was when it was saved."""
    return carrying.load(path, places(), open_store(), progress)


def contained(name: str, wanted: str | None) -> bytes:
    """What an image contains, as a CycloneDX list."""
    from kit.images import sbom

    store, where = open_store(), places()
    (image,) = _chosen([name], wanted, store)
    stored = carrying.stored(image, store)
    built = building.known(image, stored.labels.get(images.LABEL, ""), where)
    with store.files(stored.id) as stream:
        return sbom.write(image, stored, stream, built.content if built is not None else None)


def explained(runtime: Runtime, wanted: str | None) -> Callable[[str, str | None], Environment]:
    """Pins the environments of a runtime; an image that is not there is refused with the vendor files that it lacks."""

    def pin(name: str, variant: str | None) -> Environment:
        try:
            return runtime.pin(name, variant)
        except EnvironmentUnavailableError as error:
            version, named = runtimes.named_platform(variant)
            reference = f"{name}/{version}" if version else name
            where = places()
            with suppress(UsageError):
                image = images.find(where.images, reference, platform(wanted or named, open_store()))
                if problems := lacking.to_run(image, where):
                    raise EnvironmentUnavailableError(error.message, hint=error.hint, problems=problems) from error
            raise

    return pin


def _chosen(names: Sequence[str], wanted: str | None, store: ImageStore) -> list[Image]:
    """All must exist before anything is done with the first."""
    where = places().images
    return [images.find(where, name, platform(wanted, store)) for name in names]


def agreement(outcome: Outcome) -> str:
    """Whether what came out is what the record that comes with kit says of these inputs."""
    built = outcome.built
    expected = record.read(places().images).of(outcome.image)
    if built is None or expected is None or expected.inputs_digest != built.inputs_digest:
        return "not in images/lock.json"
    return "as in images/lock.json" if expected.content == built.content else "NOT as in images/lock.json"


def write_lock(outcomes: Iterable[Outcome]) -> Path:
    """Put what was built into the record that comes with kit."""
    where = places()
    path = where.images / record.FILE
    built = [
        outcome.built for outcome in outcomes if outcome.built is not None and not outcome.image.definition.holds_kit
    ]
    content = record.read(where.images).with_records(built).to_bytes()
    writing.files([(path, content)], hint="use --lock in a checkout of kit")
    return path


def listed() -> tuple[Listed, ...]:
    """Every image for every platform, with what the engine has of it."""
    store, where = open_store(), places()
    return tuple(_listed(image, store, where) for image in images.every(where.images))


def _listed(image: Image, store: ImageStore, where: Places) -> Listed:
    found = store.find(image.platform_tag)
    digest = images.inputs_digest(images.inputs(image, kit=where.kit))
    if found is None:
        return Listed(image.name, image.version, image.platform, "not built", None, None, None, None)
    label = found.labels.get(images.LABEL)
    built = building.known(image, label or digest, where)
    state = "built" if label == digest else "other inputs" if label is not None else "taken in"
    content = built.content if built is not None else None
    return Listed(image.name, image.version, image.platform, state, found.size_bytes, found.id, content, found.placed)


def limits(given: Sequence[str]) -> Mapping[str, str]:
    """`memory=2g` and the like, as the engine is told."""
    return dict(one.partition("=")[::2] for one in given)
