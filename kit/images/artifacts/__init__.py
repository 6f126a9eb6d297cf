"""Vendor files: what each image needs that kit may not carry, what of it a site has, and whether that is unaltered.

`images/<name>/artifacts.toml` has two parts: what is needed, written by hand, and what was added, written by
`kit image add-artifact`, with size and SHA-256. The files themselves lie in a folder beside the other caches.
"""

import fnmatch
import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from kit.errors import EnvironmentUnavailableError, HostError, Problem, UsageError
from kit.images.artifacts import matrix
from kit.images.artifacts.recognise import ANY, Kind
from kit.model import Record
from kit.ports import Progress

FILE = "artifacts.toml"
_PIECE = 4 * 1024 * 1024
_TOLD_EVERY = 256 * 1024 * 1024


class Needed(Record):
    """A file that an image is built from; `way` groups those of which one whole group is enough."""

    version: str
    platform: str
    kind: Kind
    file: str
    """Its name, or a pattern with `*` where the vendor's naming is not known."""
    what: str
    source: str
    way: str = "files"


class Added(Record):
    """A file that the site has. `platform` is `any` where it fits all; `identity` is the config digest of an image."""

    version: str
    platform: str
    kind: Kind
    file: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    package: str | None = None
    release: str | None = None
    python: str | None = None
    identity: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")


class Base(Record):
    """The version of CANN that one version of an image stands on."""

    version: str
    cann: str


class Declared(Record):
    """One `artifacts.toml`."""

    schema_version: int = Field(alias="schema", ge=1, le=1)
    base_may_hold: bool = False
    """Whether a base image of the site's choice may hold what these files would install."""
    needed: tuple[Needed, ...] = ()
    added: tuple[Added, ...] = ()
    matrix: tuple[Base, ...] = ()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A vendor file that is there, whole and unaltered."""

    path: Path
    record: Added


def declared(images: Path, name: str) -> Declared | None:
    """What an image says of its vendor files, or None where it needs none. Raises `UsageError` on a file that is none."""
    path = images / name / FILE
    if not path.is_file():
        return None
    try:
        return Declared.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        problems = [Problem(".".join(map(str, found["loc"])), found["msg"]) for found in error.errors()]
        raise UsageError(f"{path} is not a list of vendor files", problems=problems) from error


def store(cache: Path) -> Path:
    """Where vendor files lie on this machine: one folder per image."""
    return cache / "artifacts"


def chosen(images: Path, name: str, version: str, platform: str) -> tuple[Added, ...]:
    """What was added for one image, as it would be built from; empty where it is not complete. Reads no vendor file."""
    found = declared(images, name)
    if found is None:
        return ()
    complete, _ = _ways(found, version, platform)
    return complete or ()


def absent(
    images: Path, name: str, version: str, platform: str, folder: Path, *, own_base: bool = False
) -> EnvironmentUnavailableError | None:
    """What of one image's vendor files is not in `folder`, where it comes from and where it goes; only names and sizes are
    looked at. With `own_base` (the site gave a base image) nothing is missed where that image may hold what the vendor's
    files would install.
    """
    found = declared(images, name)
    if found is None or not any(entry.version == version for entry in found.needed):
        return None
    complete, missing = _ways(found, version, platform)
    if complete is None:
        if own_base and found.base_may_hold and not any(_for(entry, version, platform) for entry in found.added):
            return None
        return _missing(name, version, platform, missing, folder)
    lost = [problem for entry in complete for problem in _lost(folder / name / entry.file, entry)]
    return _altered(name, version, lost) if lost else None


def require(
    images: Path, name: str, version: str, platform: str, folder: Path, progress: Progress, *, own_base: bool = False
) -> tuple[Artifact, ...]:
    """Every vendor file of one image from `folder`, each read and compared with its size and SHA-256.

    Raises `EnvironmentUnavailableError` naming all that is missing, or all that was altered, or a torch that does not go with
    CANN. `own_base` as for `absent`.
    """
    if (lacking := absent(images, name, version, platform, folder, own_base=own_base)) is not None:
        raise lacking
    complete = chosen(images, name, version, platform)
    ready = tuple(Artifact(folder / name / entry.file, entry) for entry in complete)
    if problems := [problem for artifact in ready for problem in _read(artifact, progress)]:
        raise _altered(name, version, problems)
    found = declared(images, name)
    for line in _matched(images, found, version, complete) if found is not None else ():
        progress(line)
    return ready


def packages(complete: Iterable[Added]) -> dict[str, str]:
    """The distributions among vendor files, with their versions."""
    return {
        entry.package: entry.release for entry in complete if entry.package is not None and entry.release is not None
    }


def digest(path: Path, size: int, progress: Progress) -> str:
    """SHA-256 of a file, telling how far it got where that takes long."""
    total, done = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            total.update(piece)
            before, done = done, done + len(piece)
            if before // _TOLD_EVERY != done // _TOLD_EVERY:
                progress(f"{path.name}: {100 * done // max(size, 1)} % read")
    return total.hexdigest()


def _for(entry: Needed | Added, version: str, platform: str) -> bool:
    return entry.version == version and entry.platform in (platform, ANY)


def matches(needed: Needed, file: str) -> bool:
    """Whether a file's name is one that is meant."""
    return fnmatch.fnmatchcase(file, needed.file)


def _ways(found: Declared, version: str, platform: str) -> tuple[tuple[Added, ...] | None, dict[str, list[Needed]]]:
    """The files of the first way that is complete, else None; and what is missing for each way."""
    needed = [entry for entry in found.needed if _for(entry, version, platform)]
    added = [entry for entry in found.added if _for(entry, version, platform)]
    missing: dict[str, list[Needed]] = {}
    for way in dict.fromkeys(entry.way for entry in needed):
        wanted = [entry for entry in needed if entry.way == way]
        present = {entry.file: _match(entry, added) for entry in wanted}
        missing[way] = [entry for entry in wanted if present[entry.file] is None]
        if not missing[way]:
            taken = [entry for entry in present.values() if entry is not None]
            kinds = {entry.kind for entry in wanted}
            # Wheels that nothing asked for by name are further dependencies: the vendor's list is not known to kit.
            more = [one for one in added if one.kind in kinds and not any(matches(entry, one.file) for entry in needed)]
            return (*taken, *more), missing
    return None, missing


def _match(needed: Needed, added: Sequence[Added]) -> Added | None:
    return next((entry for entry in added if entry.kind == needed.kind and matches(needed, entry.file)), None)


def _missing(
    name: str, version: str, platform: str, missing: dict[str, list[Needed]], folder: Path
) -> EnvironmentUnavailableError:
    place = folder / name
    problems = [
        Problem(entry.file, f"missing: {entry.what}{_either(way, missing)}", _advice(entry, place))
        for way, entries in missing.items()
        for entry in entries
    ]
    if not problems:
        msg = f"{name} {version} cannot be built for {platform}: its vendor has nothing for it"
        return EnvironmentUnavailableError(msg, hint=f"images/{name}/{FILE} lists the platforms")
    msg = f"{name} {version} for {platform} needs files that only its vendor can give"
    hint = f"fetch them, then for each: kit image add-artifact FILE, which checks it and puts it into {place}"
    return EnvironmentUnavailableError(msg, problems=problems, hint=hint)


def _either(way: str, missing: dict[str, list[Needed]]) -> str:
    return f" (by way of {way})" if len(missing) > 1 else ""


def _advice(entry: Needed, place: Path) -> str:
    lying = sorted(path for path in place.glob("*") if matches(entry, path.name)) if place.is_dir() else []
    if lying:
        return f"{lying[0]} lies there, but was never checked: kit image add-artifact {lying[0]}"
    return f"from: {entry.source}; then: kit image add-artifact {entry.file}"


def _lost(path: Path, entry: Added) -> Iterable[Problem]:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        yield Problem(entry.file, "is recorded, but is not on this machine", f"it belongs at {path}")
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from error
    else:
        if size != entry.size:
            yield Problem(str(path), f"has {size} bytes, and {entry.size} are recorded")


def _read(artifact: Artifact, progress: Progress) -> Iterable[Problem]:
    path, entry = artifact.path, artifact.record
    try:
        found = digest(path, entry.size, progress)
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from error
    if found != entry.sha256:
        yield Problem(str(path), f"has SHA-256 {found}, and {entry.sha256} is recorded")


def _altered(name: str, version: str, problems: Sequence[Problem]) -> EnvironmentUnavailableError:
    msg = f"vendor files of {name} {version} are not what images/{name}/{FILE} records"
    return EnvironmentUnavailableError(msg, problems=problems, hint="kit image add-artifact FILE puts a file there")


def _matched(images: Path, found: Declared, version: str, complete: Sequence[Added]) -> tuple[str, ...]:
    """Whether torch and torch-npu go with the CANN below; a vendor's own image brings its own and is not looked into."""
    cann = next((entry.cann for entry in found.matrix if entry.version == version), None)
    wheels = {entry.package: entry for entry in complete if entry.kind == "wheel"}
    torch, npu = wheels.get("torch"), wheels.get("torch-npu")
    if cann is None or torch is None or npu is None:
        return ()
    python = _one([entry.python for entry in complete if entry.python is not None], "Python")
    return matrix.require(
        images / "cann" / "matrix.toml", cann=cann, torch=str(torch.release), torch_npu=str(npu.release), python=python
    )


def _one(values: Sequence[str], what: str) -> str | None:
    found = sorted(set(values))
    if len(found) > 1:
        raise EnvironmentUnavailableError(f"the wheels are for more than one {what}: {', '.join(found)}")
    return found[0] if found else None
