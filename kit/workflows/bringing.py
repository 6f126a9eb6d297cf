"""What a repetition takes that its bundle has: decided when it is planned, brought onto this machine when it begins."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kit import runtimes
from kit.errors import HostError, VerificationError
from kit.images import loading
from kit.images.archive import Held
from kit.model import Environment, Plan
from kit.model.bundle import FOLDERS
from kit.plan import LockedVersion, Pin
from kit.ports import ImageStore, Progress, Runtime, StoredImage
from kit.resources import cache
from kit.runtimes import fetching
from kit.runtimes.process import ProcessRuntime
from kit.workflows import imaging
from kit.workflows.opening import Opened
from kit.workflows.originals import Original


@dataclass(frozen=True, slots=True)
class Source:
    """Where the environments of a repetition come from: what pins them and tells their versions, `images` with their locks and
    the folder in which they are `kept` where these are not kit's own, and what brings those of a plan. Nothing but `bring`
    changes anything on this machine."""

    pin: Pin
    version: LockedVersion
    images: Path | None
    kept: Path | None
    bring: Callable[[Plan, Progress], None]


def source(original: Original, runtime: Literal["process", "docker"], platform: str | None) -> Source:
    """The old locks, or the old images. Raises `HostError` where those of the bundle are for another Python."""
    if runtime == "process":
        return _process(original)
    return images(original, runtimes.make("docker", platform), imaging.open_store(), platform)


def _process(original: Original) -> Source:
    opened = original.opened
    locks = opened.home / "images" if opened is not None else None
    kept = None
    if opened is not None and any(one.where.startswith(FOLDERS["wheel"]) for one in opened.unvouched):
        # Of the same lock, and made of code that somebody let in for this once: no other run may find it.
        kept = cache() / "unvouched" / str(original.sha256)[:16]
    door = runtimes.make("process", None, locks, kept)
    assert isinstance(door, ProcessRuntime)
    wheels = opened.looked.bundle.manifest.of("wheel") if opened is not None else ()
    python = opened.looked.bundle.manifest.python if opened is not None else None
    if wheels and python not in (None, fetching.own_python()):
        msg = f"the wheels in the bundle are for Python {python}, and kit runs on {fetching.own_python()} here"
        raise HostError(msg, hint="run kit from its image, or with that Python; or give --on docker")

    def bring(plan: Plan, progress: Progress) -> None:
        if opened is not None and wheels:
            folder = opened.extract("wheel") / "wheels"
            for environment in plan.environments:
                door.environments.bring(environment, folder, progress)

    return Source(door.pin, door.version, locks, kept, bring)


def images(original: Original, door: Runtime, engine: ImageStore, platform: str | None) -> Source:
    """Images by the ids of the original run where they are here or in the bundle. Those in the bundle that it did not have are
    somebody's word, and so are their names: they count in this run, and never move a name on this machine."""
    from kit.runtimes.docker import reference

    opened, wanted = original.opened, imaging.platform(platform, engine)
    before = original.plan.environments if original.plan is not None else ()
    old = {(one.name, one.variant): one.digest for one in before if one.kind == "image"}
    archives = opened.images.values() if opened is not None else ()
    brought = {held.id: held for archive in archives for held in archive if held.platform == wanted}
    named = {tag: held.id for held in brought.values() if held.id not in old.values() for tag in held.tags}

    def pin(image: str, variant: str | None) -> Environment:
        known = old.get((image, variant))
        for identity in (known, named.get(reference(image, variant, platform))):
            there = _there(engine, identity) if identity is not None else None
            if identity is not None and (there.platform == wanted if there is not None else identity in brought):
                digest = there.id if there is not None else identity
                return Environment(name=image, variant=variant, kind="image", digest=digest)
        return door.pin(image, variant)

    def version(environment: Environment, package: str) -> str | None:
        held = brought.get(environment.digest)
        return held.labels.get(f"kit.package.{package}") if held is not None else door.version(environment, package)

    def bring(plan: Plan, progress: Progress) -> None:
        absent = {one.digest for one in plan.environments if one.digest in brought and not _there(engine, one.digest)}
        if opened is not None and absent:
            _load(opened, [brought[identity] for identity in sorted(absent)], engine, progress)

    return Source(pin, version, None, None, bring)


def _there(engine: ImageStore, identity: str) -> StoredImage | None:
    # An engine with another way of counting knows the image by another id than that of its configuration.
    return engine.find(identity) or engine.find(loading.by_id(identity))


def _load(opened: Opened, wanted: list[Held], engine: ImageStore, progress: Progress) -> None:
    bundle = opened.looked.bundle
    for member in bundle.manifest.of("image"):
        if chosen := [held for held in wanted if held in opened.images[member.name]]:
            progress(f"{member.name}: loading {len(chosen)} images")
            try:
                with bundle.open(member) as file:
                    engine.load(member.name, loading.renamed(file, chosen))
            except ValueError as error:
                raise VerificationError(f"{member.name} does not hold its images: {error}") from error
    if lost := [held.id for held in wanted if _there(engine, held.id) is None]:
        raise HostError(f"images of the bundle were loaded, but the engine does not show {', '.join(lost)}")
