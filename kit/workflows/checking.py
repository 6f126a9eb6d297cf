"""What `kit profile check` does: everything about a profile that can be known before a machine is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit import agreement, images, runtimes
from kit import profile as profiles
from kit.errors import Problem
from kit.legacy import baseline as baselines
from kit.model import Profile
from kit.profile import Loaded
from kit.resources import folder
from kit.runtimes.sources import Source


@dataclass(frozen=True, slots=True)
class Checked:
    """A profile in which nothing is wrong; whether its server can be started in a container only."""

    loaded: Loaded
    contained: bool


def check(reference: str, settings: Sequence[str]) -> Checked:
    """A profile, its files and the images that it names. Raises `ProfileError` with all its problems."""
    loaded = profiles.load(reference, settings, also=_unknown_image)
    if loaded.baseline is not None:
        baselines.read(loaded.baseline, str(loaded.profile.acceptance.baseline))
    return Checked(loaded, loaded.profile.server.image is not None and not _has_lock(loaded.profile.server.image))


def _unknown_image(profile: Profile) -> Iterator[Problem]:
    named = profile.server.image
    # What an endpoint has no image for is told by itself.
    if named is None or profile.server.url is not None or _has_lock(named):
        return
    name, _, variant = named.partition("/")
    known = images.names(folder("images"))
    if name not in known:
        yield agreement.unknown("server.image", name, known)
        return
    version, _ = runtimes.named_platform(variant or None)
    versions = images.definition(folder("images"), name).versions
    if version not in (None, "latest", *versions):
        hint = f"its versions: {', '.join(versions)}" if versions else f"write {name}"
        yield Problem("server.image", f"{name} has no version {version!r}", hint)


def _has_lock(image: str) -> bool:
    name, _, variant = image.partition("/")
    return Source(folder("images"), name, variant or None).lock.is_file()
