"""Taking in a vendor file: which image it is for, whether it is what its name says, and its record in `artifacts.toml`."""

import difflib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit import store as stores
from kit.errors import HostError, UsageError
from kit.images.artifacts import FILE, Added, Declared, Needed, declared, digest, matches
from kit.images.artifacts.matrix import public
from kit.images.artifacts.recognise import ANY, Recognised, recognise
from kit.model import Record
from kit.ports import Progress
from kit.runtimes import notes

MARK = "# Written by `kit image add-artifact`: what this site has."


@dataclass(frozen=True, slots=True)
class Taken:
    """A vendor file that was added: for which image, as what, and what that image still needs."""

    image: str
    record: Added
    path: Path
    missing: tuple[Needed, ...]


def add(
    images: Path,
    folder: Path,
    file: Path,
    progress: Progress,
    *,
    image: str | None = None,
    called: str | None = None,
    replace: bool = False,
) -> Taken:
    """Check a vendor file, put it into `folder`, and record its size and SHA-256.

    `image` is needed only for a file that no image asks for by name (a further wheel): `NAME` or `NAME/VERSION`. `called`
    is the name that the vendor gave it, where it was renamed. A record of another file under that name stays, and the file
    is refused, unless `replace` is given.
    """
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    name = called or file.name
    home, asked = _place(images, name, image)
    told = recognise(file, asked[0].kind, name)
    wanted = _fitting(file, asked, told)
    size = file.stat().st_size
    record = Added(
        version=wanted.version,
        platform=wanted.platform if wanted.kind == "run" else told.platform,
        kind=wanted.kind,
        file=name,
        size=size,
        sha256=digest(file, size, progress),
        package=told.name or None if wanted.kind == "wheel" else None,
        release=told.version or None,
        python=told.python,
        identity=told.identity,
    )
    found = _read(images, home)
    _check_record(found, record, home, replace=replace)
    path = folder / home / name
    _put(file, path)
    _write(images / home / FILE, _with(found, record))
    return Taken(home, record, path, tuple(_missing(_read(images, home), record)))


def _read(images: Path, name: str) -> Declared:
    found = declared(images, name)
    if found is None:
        raise UsageError(f"the image {name} needs no vendor files", hint=f"images/{name} has no {FILE}")
    return found


def _place(images: Path, name: str, image: str | None) -> tuple[str, tuple[Needed, ...]]:
    """The image that a file is for, and what it may be there: the same for several platforms."""
    homes = sorted(path.parent.name for path in images.glob(f"*/{FILE}"))
    home, _, version = (image or "").partition("/")
    if home and home not in homes:
        raise UsageError(f"there is no image {home} that needs vendor files", hint=f"there are: {', '.join(homes)}")
    asked = [(own, need) for own in homes if home in ("", own) for need in _read(images, own).needed]
    if version and version not in {need.version for _, need in asked}:
        known = dict.fromkeys(need.version for _, need in asked)
        raise UsageError(f"there is no version {version} of {home}", hint=f"there are: {', '.join(known)}")
    asked = [(own, need) for own, need in asked if version in ("", need.version)]
    for own in dict.fromkeys(own for own, _ in asked):
        if meant := tuple(need for where, need in asked if where == own and matches(need, name)):
            return own, meant
    wheels = [need for _, need in asked if need.kind == "wheel"]
    if home and wheels and name.endswith(".whl"):
        return home, (wheels[0].model_copy(update={"file": name, "what": "a further wheel", "platform": ANY}),)
    raise _unknown(name, asked)


def _fitting(file: Path, asked: Sequence[Needed], told: Recognised) -> Needed:
    """What a file is, of all that its name could mean."""
    fitting = [need for need in asked if ANY in (told.platform, need.platform) or told.platform == need.platform]
    if not fitting:
        platforms = " or ".join(need.platform for need in asked)
        raise UsageError(f"{file} is for {told.platform}, and {asked[0].what} for {platforms} is asked for")
    wanted = fitting[0]
    own = wanted.kind == "wheel" and wanted.file.startswith(f"{told.name.replace('-', '_')}-{wanted.version}")
    if own and public(told.version) != wanted.version:
        raise UsageError(f"{file} is {told.name} {told.version}, and {wanted.version} is asked for")
    return wanted


def _unknown(name: str, asked: Sequence[tuple[str, Needed]]) -> UsageError:
    files = list(dict.fromkeys(need.file for _, need in asked))
    near = difflib.get_close_matches(name, files, n=1, cutoff=0.5)
    meant = f"is it {near[0]}? then --as {near[0]}; " if near and "*" not in near[0] else ""
    hint = f"{meant}a further wheel: --name IMAGE; the images ask for: {', '.join(files)}"
    return UsageError(f"no image asks for a file called {name}", hint=hint)


def _check_record(found: Declared, record: Added, home: str, *, replace: bool) -> None:
    rivals = _rivals(found, record)
    if replace or not rivals or all(entry.sha256 == record.sha256 for entry in rivals):
        return
    other = next(entry for entry in rivals if entry.sha256 != record.sha256)
    msg = (
        f"images/{home}/{FILE} records {other.file} with SHA-256 {other.sha256} ({other.size} bytes), and this file has "
        f"{record.sha256} ({record.size} bytes)"
    )
    raise UsageError(msg, hint="is it the right file? --replace records this one instead")


def _rivals(found: Declared, record: Added) -> list[Added]:
    """Records that the new one takes the place of: the same name, or another release of the same package there."""

    def same(entry: Added) -> bool:
        if (entry.version, entry.kind) != (record.version, record.kind) or record.kind == "run":
            return entry.file == record.file
        # An image has one archive per platform, a package one wheel.
        return entry.file == record.file or (entry.platform == record.platform and entry.package == record.package)

    return [entry for entry in found.added if same(entry)]


def _with(found: Declared, record: Added) -> tuple[Added, ...]:
    gone = _rivals(found, record)
    return tuple(sorted((*(one for one in found.added if one not in gone), record), key=lambda one: one.file))


def _put(file: Path, path: Path) -> None:
    """Place the file without copying where the file system allows: vendor files have gigabytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.samefile(file):
            return
        with notes.scratch_in(path.parent, "artifact") as scratch:
            temporary = scratch / path.name
            try:
                os.link(file.resolve(), temporary)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise
                shutil.copyfile(file, temporary)
            os.replace(temporary, path)
    except OSError as error:
        msg = f"{file} cannot be put at {path}: {error.strerror}"
        raise HostError(msg, hint="make room, or set KIT_CACHE to another directory") from error


def _missing(found: Declared, record: Added) -> Iterator[Needed]:
    """What the version and platform of a new file still lacks, in the way that the file belongs to."""
    ways = {need.way for need in found.needed if need.kind == record.kind}
    for need in found.needed:
        if need.version != record.version or need.way not in ways or record.platform not in (ANY, need.platform):
            continue
        if not any(
            matches(need, one.file) and one.version == need.version and one.platform in (ANY, need.platform)
            for one in found.added
        ):
            yield need


def _write(path: Path, added: Sequence[Added]) -> None:
    """The hand-written part stays byte for byte; what was added is written anew below it."""
    text = path.read_text("utf-8")
    kept = text.partition(MARK)[0].rstrip("\n")
    tables = "\n".join(f"[[added]]\n{_toml(entry)}" for entry in added)
    try:
        stores.replace(path, f"{kept}\n\n{MARK}\n{tables}".encode())
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise HostError(msg, hint="work in a checkout of kit that you may write to") from error


def _toml(record: Record) -> str:
    """The fields of a record that are set: text and whole numbers, which JSON writes as TOML does."""
    fields = record.model_dump(exclude_none=True)
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in fields.items())
