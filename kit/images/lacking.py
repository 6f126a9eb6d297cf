"""What images and those below them lack to be built: everything in one refusal, before the first is begun."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.errors import EnvironmentUnavailableError, KitError, Problem, listed, together
from kit.images import Image, artifacts, gathering
from kit.images.gathering import Places
from kit.ports import ImageStore
from kit.runtimes import debian, fetching

Standing = Callable[[Image], bool]
"""Whether an image is there as its inputs are now: then nothing is needed for it."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An image to make: whether a base was given for it, and the image above it whose vendor may give that one whole."""

    image: Image
    own_base: bool
    above: Image | None = None


def to_fetch(chosen: Sequence[Image], places: Places, *, own_base: bool = False) -> None:
    """Raise `EnvironmentUnavailableError` where vendor files are missing that fetching would have to take along."""
    found = [
        error
        for wanted in _needed(chosen, own_base, lambda _: False)
        if wanted.image.definition.reference is None and (error := _vendor_files(wanted, places.artifacts))
    ]
    _refuse(chosen, found, places)


def to_build(
    chosen: Sequence[Image], places: Places, store: ImageStore, standing: Standing, *, own_base: bool = False
) -> None:
    """Raise `EnvironmentUnavailableError` where vendor files are missing, or anything that is fetched."""
    found: list[KitError] = []
    for wanted in _needed(chosen, own_base, standing):
        image = wanted.image
        if image.definition.reference is not None:
            found += _published(image, store)
        elif error := _vendor_files(wanted, gathering.vendor_files(image, places)):
            found.append(error)
        else:
            found += _fetched(image, places)
    _refuse(chosen, found, places)


def to_run(image: Image, places: Places) -> tuple[Problem, ...]:
    """The vendor files that an image lacks which is not there, and those below it."""
    wanted = [one for one in _needed([image], False, lambda _: False) if one.image.definition.reference is None]
    errors = [_vendor_files(one, gathering.vendor_files(one.image, places)) for one in wanted]
    return listed([error for error in errors if error is not None])


def _needed(chosen: Sequence[Image], own_base: bool, standing: Standing) -> Iterator[_Wanted]:
    """Every image to make, each once and those below after those above."""
    seen: set[tuple[str, str]] = set()
    todo = [_Wanted(image, own_base) for image in chosen]
    while todo:
        wanted = todo.pop(0)
        image = wanted.image
        if (image.title, image.platform) in seen or standing(image):
            continue
        seen.add((image.title, image.platform))
        yield wanted
        kinds = {entry.kind for entry in _taken(image)}
        below = image.base()
        # The vendor's own image has all that it stands on.
        if below is not None and not wanted.own_base and "image" not in kinds:
            todo.append(_Wanted(below, False, image if not kinds and _may_come_whole(image) else None))


def _taken(image: Image) -> tuple[artifacts.Added, ...]:
    return artifacts.chosen(image.images, image.name, image.version or "latest", image.platform)


def _may_come_whole(image: Image) -> bool:
    found = artifacts.declared(image.images, image.name)
    return found is not None and any(entry.kind == "image" for entry in found.needed)


def _vendor_files(wanted: _Wanted, folder: Path) -> EnvironmentUnavailableError | None:
    image = wanted.image
    version = image.version or "latest"
    asked = (image.images, image.name, version, image.platform, folder)
    error = artifacts.absent(*asked, own_base=wanted.own_base)
    if error is None or wanted.above is None:
        return error
    msg = f"{error.message}, unless {wanted.above.name} comes as its vendor's own image"
    return EnvironmentUnavailableError(msg, hint=error.hint, problems=error.problems)


def _published(image: Image, store: ImageStore) -> Iterator[KitError]:
    try:
        gathering.present(image, store)
    except KitError as error:
        yield error


def _fetched(image: Image, places: Places) -> Iterator[KitError]:
    hint = f"kit image fetch {image.title} --platform {image.platform}"
    if image.definition.debian is not None:
        folder, packages = gathering.debs(image, places.fetched), debian.read_lock(image.packages_lock)
        if absent := sum(not (folder / package.file).is_file() for package in packages):
            msg = f"{image.title}: {absent} of {len(packages)} Debian packages are not in {folder}"
            yield EnvironmentUnavailableError(msg, hint=hint)
    if (source := image.source) is not None and not fetching.any_wheel(source.lock, places.fetched):
        yield EnvironmentUnavailableError(f"{image.title}: its wheels are not in {places.fetched}", hint=hint)


def _refuse(chosen: Sequence[Image], found: Sequence[KitError], places: Places) -> None:
    if found:
        titles = ", ".join(dict.fromkeys(image.title for image in chosen))
        hint = (
            "get each as it says; kit image add-artifact checks a vendor's file and puts it into "
            f"{places.artifacts}/IMAGE; then the same command again"
        )
        raise together(f"{titles} cannot be made yet: something is missing", found, hint)
