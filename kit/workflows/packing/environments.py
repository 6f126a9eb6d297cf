"""What a bundle holds of environments: their locks, their wheels or images, and kit itself."""

import os
from collections.abc import Sequence
from pathlib import Path

from kit import images
from kit.errors import EnvironmentUnavailableError, Problem, UsageError
from kit.images import archive, gathering
from kit.model import Environment
from kit.model.bundle import Kind
from kit.resources import cache, folder
from kit.runtimes import fetching
from kit.runtimes.process import ProcessRuntime
from kit.runtimes.sources import Source
from kit.workflows import imaging
from kit.workflows.packing.gathered import Gathered, Runtime


def platforms(found: Gathered, own: str | None, runtime: Runtime) -> tuple[str, ...]:
    """The platforms of the new machine: those that are wanted, else that of the run, else this one."""
    if found.wanted.platforms:
        return tuple(map(imaging.platform, found.wanted.platforms))
    engine = imaging.open_store() if runtime == "docker" and own is None and found.wants("image") else None
    return (own or imaging.platform(None, engine),)


def environments(found: Gathered, runtime: Runtime, wanted: Sequence[str], pinned: Sequence[Environment]) -> None:
    """The locks of every environment; then wheels or images, as the runtime wants."""
    for one in pinned:
        source = Source(folder("images"), one.name, one.variant)
        if not source.lock.is_file():
            continue
        if one.kind == "lock" and source.digest() != one.digest:
            hint = "bundle it with the version of kit that made it"
            raise UsageError(f"images/{one.name} is not what it was when the run was made", hint=hint)
        for path in source.files():
            found.add("lock", path.relative_to(source.images).as_posix(), path)
        if runtime == "process" and found.wants("wheel"):
            for platform in wanted:
                for wheel in _wheels(found, one, platform):
                    own = None if wheel.name.endswith("-any.whl") else platform
                    found.add("wheel", wheel.name, wheel, platform=own)
    if found.wants("kit"):
        _kit(found)
    if runtime == "docker" and found.wants("image"):
        for platform in wanted:
            _images(found, platform, pinned)


def _wheels(found: Gathered, environment: Environment, platform: str) -> list[Path]:
    """Every wheel of an environment's lock, from the cache where they are there, else fetched."""
    if images.MACHINES.get(platform) == os.uname().machine:
        runtime = ProcessRuntime(folder("images"), cache())
        return sorted(runtime.environments.fetch(environment, found.progress).glob("*.whl"))
    title = f"{environment.name}/{environment.variant}" if environment.variant else environment.name
    image, target = images.find(folder("images"), title, platform), found.scratch / f"wheels-{title.replace('/', '-')}"
    target.mkdir()
    gathering.wheels(image, Source(folder("images"), environment.name, environment.variant), target, found.progress)
    return sorted(target.glob("*.whl"))


def _images(found: Gathered, platform: str, pinned: Sequence[Environment]) -> None:
    """One archive with what is needed, and one with kit's own image, which nobody but a person loads."""
    engine = imaging.open_store()
    titles = [f"{one.name}/{one.variant}" if one.variant else one.name for one in pinned]
    titles = [title.removesuffix(f"-{platform.partition('/')[2]}") for title in titles]
    held = {one.id for one in _archive(found, "image", platform, titles)}
    changed = [one for one in pinned if one.kind == "image" and one.digest not in held]
    if changed and len(found.wanted.platforms) < 2 and engine.platform() == platform:
        problems = [Problem(one.title, f"was {one.digest} in the run, and is not any more") for one in changed]
        hint = "kit image load brings old ones back; --without images bundles none"
        raise UsageError("images have changed since the run", problems=problems, hint=hint)
    if not found.wants("kit"):
        return
    if imaging.present("kit", platform, engine):
        _archive(found, "kit", platform, ["kit"])
    else:
        found.notes.append(f"kit's own image for {platform} is not on this machine: kit image build kit makes it")


def _kit(found: Gathered) -> None:
    """kit's own wheel, made from its checkout, and all wheels that it needs, as far as they are on this machine."""
    own, target = folder("images"), found.scratch / "kit-wheels"
    checkout, source = own.parent, Source(own, "kit", None)
    if not (checkout / "pyproject.toml").is_file():
        found.notes.append("kit's own wheel is made from a checkout of kit, and this is none")
        return
    target.mkdir()
    try:
        fetching.fetch_lock(source, source.lock, target, brought=str(cache() / "fetched"))
    except EnvironmentUnavailableError:
        found.notes.append("the wheels that kit itself needs are not on this machine: kit image fetch kit brings them")
    fetching.wheel(source, checkout, target)
    for path in sorted(target.glob("*.whl")):
        found.add("kit", path.name, path)


def _archive(found: Gathered, kind: Kind, platform: str, titles: Sequence[str]) -> Sequence[archive.Held]:
    path = found.scratch / kind / f"{platform.replace('/', '-')}.tar.gz"
    path.parent.mkdir(exist_ok=True)
    saved = imaging.save(titles, [platform], path, found.progress)
    found.add(kind, path.name, path, platform=platform)
    return saved.held
