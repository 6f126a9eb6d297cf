"""Building images from what was fetched: inputs are checked, the context is assembled, the content is recorded."""

import datetime
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kit import __version__, images
from kit.errors import EnvironmentUnavailableError, UsageError
from kit.images import Image, archive, artifacts, assembling, contents, gathering, lacking, loading, record
from kit.images.gathering import Places
from kit.ports import BuildOrder, ImageStore, Progress, StoredImage
from kit.runtimes import debian, notes
from kit.store import replace as write

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a build is asked for beside the image itself."""

    base: str | None = None
    """The name or id of an image on the engine to stand on, instead of kit's own."""
    again: bool = False
    """Build although nothing has changed."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """What the build may use, as `docker build` names it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An image that is there now. `built` is missing for one that was published by somebody else and only taken in."""

    image: Image
    id: str
    size_bytes: int
    changed: bool
    built: record.Built | None


def build(image: Image, places: Places, store: ImageStore, progress: Progress, wanted: Wanted | None = None) -> Outcome:
    """Make sure that an image is there, built from its inputs as they are now, with the images that it stands on."""
    wanted = wanted or Wanted()
    if image.definition.reference is not None:
        return _published(image, store, progress)
    own = _own_base(image, store, wanted.base)
    given = images.inputs(image, own.id if own is not None else None, places.kit)
    digest = images.inputs_digest(given)
    there = _standing(image, digest, store)
    if there is not None and not wanted.again:
        _name(image, there.id, store)
        built = known(image, digest, places) or keep(image, there, given, places, store, progress)
        return Outcome(image, there.id, there.size_bytes, False, built)
    version = image.version or "latest"
    vendor = artifacts.require(
        *(image.images, image.name, version, image.platform, gathering.vendor_files(image, places), progress),
        own_base=own is not None,
    )
    if len(vendor) == 1 and vendor[0].record.kind == "image":
        return _vendors_image(image, vendor[0], store, progress)
    below = image.base()
    base = own.id if own is not None else None
    if base is None and below is not None:
        base = build(below, places, store, progress, replace(wanted, base=None, again=False)).id
    labels = _labels(image, digest)
    with notes.scratch("image") as scratch:
        if image.definition.debian is not None:
            identity = _from_packages(image, places, store, progress, labels, Path(scratch))
        else:
            context = Path(scratch) / "context"
            assembling.assemble(image, places, vendor, context, progress)
            packed = Path(scratch) / "context.tar"
            assembling.pack(context, packed, image.epoch())
            shutil.rmtree(context)
            epoch = str(image.epoch())
            arguments = {"BASE": base or "scratch", "VERSION": version, "SOURCE_DATE_EPOCH": epoch}
            identity = store.build(BuildOrder(packed, image.platform_tag, arguments, labels, wanted.limits), progress)
    made = store.find(identity)
    if made is None or made.platform != image.platform:
        store.untag(image.platform_tag)
        msg = f"{image.title} came out for {made.platform if made else 'no platform'}, and {image.platform} was meant"
        raise EnvironmentUnavailableError(
            msg, hint="build it on a machine of that platform, then kit image save and load"
        )
    _name(image, identity, store)
    built = keep(image, made, given, places, store, progress)
    return Outcome(image, identity, made.size_bytes, True, built)


def require(chosen: Sequence[Image], places: Places, store: ImageStore, wanted: Wanted) -> None:
    """Raise before the first is built, in one list, where one of several images or of those below them lacks something."""

    def stands(image: Image) -> bool:
        named = image in chosen
        if image.definition.reference is not None or (named and wanted.again):
            return False
        own = _own_base(image, store, wanted.base) if named else None
        given = images.inputs(image, own.id if own is not None else None, places.kit)
        return _standing(image, images.inputs_digest(given), store) is not None

    lacking.to_build(chosen, places, store, stands, own_base=wanted.base is not None)


def known(image: Image, digest: str, places: Places) -> record.Built | None:
    """The record of an image with these inputs: the one that comes with kit, else the one made here."""
    for lock in (record.read(places.images), record.read(places.records)):
        built = lock.of(image)
        if built is not None and built.inputs_digest == digest:
            return built
    return None


def keep(
    image: Image,
    stored: StoredImage,
    given: tuple[tuple[str, str], ...],
    places: Places,
    store: ImageStore,
    progress: Progress,
) -> record.Built:
    """Read the content of an image that was just built, and write it down on this machine."""
    progress(f"{image.title}: reading its content")
    with store.files(stored.id) as stream:
        content = contents.read(stream)
    built = record.Built(
        name=image.name,
        version=image.version,
        platform=image.platform,
        inputs_digest=images.inputs_digest(given),
        inputs=given,
        image=stored.id,
        content=content.digest,
        size=stored.size_bytes,
    )
    write(listing(places, content.digest), content.packed())
    write(places.records / record.FILE, record.read(places.records).with_records([built]).to_bytes())
    return built


def listing(places: Places, digest: str) -> Path:
    """Where the list of a content lies on this machine, if it is known here."""
    return places.records / "contents" / f"{digest.removeprefix('sha256:')}.gz"


def _standing(image: Image, digest: str, store: ImageStore) -> StoredImage | None:
    """The image on the engine, if it was built from inputs with this digest."""
    there = store.find(image.platform_tag)
    return there if there is not None and there.labels.get(images.LABEL) == digest else None


def _own_base(image: Image, store: ImageStore, base: str | None) -> StoredImage | None:
    if base is None:
        return None
    if image.definition.base is None:
        raise UsageError(f"{image.name} stands on no other image: --base means nothing for it")
    found = store.find(base)
    if found is None:
        hint = (
            f"with network: kit image fetch {image.title} --base {base}; without: docker load what was saved elsewhere"
        )
        raise EnvironmentUnavailableError(f"the engine has no image {base}", hint=hint)
    if found.platform != image.platform:
        raise UsageError(f"{base} is for {found.platform}, and {image.title} is built for {image.platform}")
    return found


def _published(image: Image, store: ImageStore, progress: Progress) -> Outcome:
    """An image that others publish: nothing is built, what the digest names is given kit's name."""
    found = gathering.present(image, store)
    before = store.find(image.platform_tag)
    progress(f"{image.title}: taken from {gathering.published(image)}")
    _name(image, found.id, store)
    return Outcome(image, found.id, found.size_bytes, before is None or before.id != found.id, None)


def _vendors_image(image: Image, vendor: artifacts.Artifact, store: ImageStore, progress: Progress) -> Outcome:
    identity = str(vendor.record.identity)
    found = store.find(identity)
    before = store.find(image.platform_tag)
    if found is None:
        progress(f"{image.title}: loading {vendor.path.name}")
        store.load(vendor.path.name, loading.pieces(vendor.path))
        found = store.find(identity)
    if found is None:
        msg = f"{vendor.path.name} was loaded, but {identity} did not come out"
        raise EnvironmentUnavailableError(msg, hint="kit image add-artifact records the file again")
    _name(image, found.id, store)
    return Outcome(image, found.id, found.size_bytes, before is None or before.id != found.id, None)


def _name(image: Image, identity: str, store: ImageStore) -> None:
    """Both names: the short one means the platform of the engine."""
    names = [image.platform_tag, *([image.tag] if store.platform() == image.platform else [])]
    for name in names:
        found = store.find(name)
        if found is None or found.id != identity:
            store.tag(identity, name)


def _labels(image: Image, digest: str) -> dict[str, str]:
    created = datetime.datetime.fromtimestamp(image.epoch(), datetime.UTC)
    found = {
        images.LABEL: digest,
        "kit.version": __version__,
        "org.opencontainers.image.created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "org.opencontainers.image.title": image.definition.title,
        "org.opencontainers.image.version": image.version or __version__,
    }
    found |= {f"kit.package.{name}": version for name, version in image.packages().items()}
    if image.source is not None:
        found["kit.lock"] = f"sha256:{hashlib.sha256(image.source.lock.read_bytes()).hexdigest()}"
    if image.definition.debian is not None:
        found["kit.debs"] = f"sha256:{hashlib.sha256(image.packages_lock.read_bytes()).hexdigest()}"
    chosen = artifacts.chosen(image.images, image.name, image.version or "latest", image.platform)
    return found | {f"kit.artifact.{entry.file}": f"sha256:{entry.sha256}" for entry in chosen}


def _from_packages(
    image: Image, places: Places, store: ImageStore, progress: Progress, labels: Mapping[str, str], scratch: Path
) -> str:
    """The base: made without the engine, and loaded as one layer, so that its id is the same on every machine."""
    wanted = image.definition.debian
    assert wanted is not None
    packages = debian.read_lock(image.packages_lock)
    progress(f"{image.title}: installing {len(packages)} Debian packages for {image.architecture}")
    rootfs, packed = scratch / "rootfs.tar", scratch / "image.tar"
    folder = gathering.debs(image, places.fetched)
    debian.build(packages, image.architecture, folder, wanted.left_out, wanted.kept, image.epoch(), rootfs)
    env = (f"PATH={_PATH}", "LANG=C.UTF-8", f"HOME={debian.HOME}")
    created = labels["org.opencontainers.image.created"]
    config = archive.Config(image.architecture, created, labels, env, debian.USER, ("python3",))
    identity = archive.write(rootfs, config, image.platform_tag, packed)
    rootfs.unlink()
    progress(f"{image.title}: loading it")
    store.load(packed.name, loading.pieces(packed))
    # An engine with another way of counting knows the image by another id than that of its configuration.
    found = store.find(identity) or store.find(image.platform_tag)
    return found.id if found is not None else identity
