"""Images, from what they are made of to the archive that is carried to a site; engines are reached through `ports` only.

This module: what an image is made of, as values. Its definition in `images/<name>/image.toml`, and the digest of all its inputs.
"""

import datetime
import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from kit.errors import Problem, UsageError
from kit.images import artifacts
from kit.model import Record
from kit.runtimes.sources import Source

FILE = "image.toml"
LABEL = "kit.inputs"
"""The label of every image of kit, and in it the digest of what it was built from."""

Platform = Literal["linux/amd64", "linux/arm64"]
PLATFORMS: tuple[Platform, ...] = ("linux/amd64", "linux/arm64")
MACHINES: dict[str, str] = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}

_RECIPE = "1"
"""Raised when kit builds other images from the same inputs."""
_COMMON = ("pip.lock", "finish.py")
"""What every image with Python packages is made with, beside its own folder."""


class Debian(Record):
    """A root file system from a distribution's packages."""

    suite: str
    packages: tuple[str, ...] = Field(min_length=1)
    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Definition(Record):
    """One `image.toml`."""

    schema_version: int = Field(default=1, alias="schema", ge=1, le=1)
    title: str
    platforms: tuple[Platform, ...] = PLATFORMS
    versions: tuple[str, ...] = ()
    """The first is meant where none is named."""
    date: datetime.date | None = None
    """What all time stamps say; the base's unless given."""
    base: str | None = None
    """Another image, `NAME` or `NAME/VERSION`."""
    package: str | None = None
    """The distribution in the lock whose version plans and reports name."""
    drop: tuple[str, ...] = ()
    """Patterns of paths below the environment that are removed after installing."""
    bytecode: tuple[str, ...] = ()
    """Modules that are compiled with all that they import: nothing can be written there at run time."""
    debian: Debian | None = None
    reference: str | None = None
    """The name of an image that others publish: nothing is built."""
    digest: str = Field(default="", pattern=r"^(?:sha256:[0-9a-f]{64})?$")
    """The digest of the published image; empty until a site has decided on one."""
    holds_kit: bool = False
    """Whether kit itself, as it runs now, is copied into the image; it is then left out of `lock.json`, which it holds."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image for one platform: which, and what it is made of."""

    images: Path
    name: str
    version: str | None
    platform: Platform
    definition: Definition

    @property
    def title(self) -> str:
        return f"{self.name}/{self.version}" if self.version else self.name

    @property
    def folder(self) -> Path:
        return self.images / self.name

    @property
    def architecture(self) -> str:
        """As Debian and Docker name it."""
        return self.platform.partition("/")[2]

    @property
    def tag(self) -> str:
        """Its name on an engine of its own platform."""
        return f"kit/{self.name}:{self.version or 'latest'}"

    @property
    def platform_tag(self) -> str:
        """Its name on any engine."""
        return f"{self.tag}-{self.architecture}"

    @property
    def source(self) -> Source | None:
        """The locks of its Python packages, if it has any of its own."""
        found = Source(self.images, self.name, self.version)
        return found if found.lock.is_file() else None

    @property
    def packages_lock(self) -> Path:
        """The lock of its Debian packages."""
        return self.folder / f"debs-{self.architecture}.lock"

    def base(self) -> "Image | None":
        """The image that this one stands on."""
        return find(self.images, self.definition.base, self.platform) if self.definition.base else None

    def epoch(self) -> int:
        """What all its time stamps say, in seconds since 1970."""
        date = self.definition.date
        if date is None:
            base = self.base()
            if base is None:
                raise UsageError(f"{self.folder / FILE} has neither a date nor a base")
            return base.epoch()
        return int(datetime.datetime.combine(date, datetime.time(), datetime.UTC).timestamp())

    def files(self) -> tuple[Path, ...]:
        """The files of its own folder that it is built from; locks apart."""
        return tuple(
            path
            for path in sorted(self.folder.iterdir())
            if path.is_file()
            and not path.name.startswith(".")
            and not path.name.endswith(("~", ".lock", ".in", ".md"))
            and path.name not in (artifacts.FILE, FILE)
        )

    def packages(self) -> dict[str, str]:
        """The distributions that plans and reports name, with their versions."""
        found = artifacts.packages(artifacts.chosen(self.images, self.name, self.version or "latest", self.platform))
        source, wanted = self.source, self.definition.package
        if source is not None and wanted is not None and (version := source.version(wanted)):
            found[wanted] = version
        return found


def names(images: Path) -> tuple[str, ...]:
    """Every image that has a definition."""
    return tuple(sorted(path.parent.name for path in images.glob(f"*/{FILE}")))


def definition(images: Path, name: str) -> Definition:
    """The definition of an image. Raises `UsageError` naming what exists, or every field that is wrong."""
    path = images / name / FILE
    try:
        return Definition.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"there is no image {name!r}", hint=f"one of: {', '.join(names(images))}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        problems = [Problem(".".join(map(str, found["loc"])), found["msg"]) for found in error.errors()]
        raise UsageError(f"{path} does not define an image", problems=problems) from error


def find(images: Path, reference: str, platform: str) -> Image:
    """The image `NAME` or `NAME/VERSION` for a platform. Raises `UsageError` naming what exists instead."""
    name, _, version = reference.partition("/")
    found = definition(images, name)
    if version and version not in found.versions:
        known = ", ".join(found.versions) or "none"
        raise UsageError(f"{name} has no version {version!r}", hint=f"its versions: {known}")
    for known_platform in found.platforms:
        if known_platform == platform:
            chosen = version or (found.versions[0] if found.versions else None)
            return Image(images, name, chosen, known_platform, found)
    raise UsageError(f"{name} is not made for {platform!r}", hint=f"its platforms: {', '.join(found.platforms)}")


def every(images: Path) -> Iterator[Image]:
    """Every version of every image for every platform."""
    for name in names(images):
        found = definition(images, name)
        for version in found.versions or (None,):
            for platform in found.platforms:
                yield Image(images, name, version, platform, found)


def inputs(image: Image, base: str | None = None, kit: Path | None = None) -> tuple[tuple[str, str], ...]:
    """What an image is built from, each with its digest: the same wherever the same files lie.

    `base` is the id of a base image that the site chose; `kit` is the folder of kit's own modules.
    """
    found = [("platform", image.platform), ("recipe", _RECIPE)]
    paths = [image.folder / FILE, *image.files()]
    if image.definition.debian is not None:
        paths.append(image.packages_lock)
    if (source := image.source) is not None:
        paths += [*source.files(), *(image.images / name for name in _COMMON)]
    found += [(path.relative_to(image.images).as_posix(), _digest(path)) for path in dict.fromkeys(paths)]
    version = image.version or "latest"
    chosen = artifacts.chosen(image.images, image.name, version, image.platform)
    found += [(f"artifacts/{entry.file}", f"sha256:{entry.sha256}") for entry in chosen]
    if image.definition.holds_kit and kit is not None:
        found += [(f"kit/{path.relative_to(kit).as_posix()}", _digest(path)) for path in kit_files(kit)]
        for name in ("images", "profiles", "templates"):
            folder = image.images.parent / name
            found += [(f"{name}/{path.relative_to(folder).as_posix()}", _digest(path)) for path in data_files(folder)]
    if base is not None:
        found.append(("base", base))
    elif (below := image.base()) is not None:
        found.append((f"base {below.title}", inputs_digest(inputs(below))))
    return tuple(sorted(found))


def inputs_digest(found: tuple[tuple[str, str], ...]) -> str:
    """One digest for all inputs."""
    lines = "".join(f"{name}\0{digest}\n" for name, digest in found)
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def kit_files(kit: Path) -> tuple[Path, ...]:
    """Kit's own modules."""
    return tuple(sorted(path for path in kit.rglob("*.py") if "data" not in path.relative_to(kit).parts[:1]))


def data_files(folder: Path) -> tuple[Path, ...]:
    """The files of one of kit's data folders; of `images`, all but the record of what was built."""
    return tuple(
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path != folder / "lock.json"
    )


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
