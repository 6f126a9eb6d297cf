"""Taking in a vendor file: which image it is for, whether it is what its name says, and its record in `artifacts.toml`."""

import difflib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit import store as stores
from kit.artifacts import ANY, FILE, Added, Declared, Needed, declared, digest, matches
from kit.artifacts.matrix import public
from kit.artifacts.recognise import Recognised, recognise
from kit.errors import HostError, UsageError
from kit.model import Record
from kit.ports import Progress

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
    home, wanted = _place(images, name, image)
    told = recognise(file, wanted.kind, name)
    _agree(file, wanted, told)
    size = file.stat().st_size
    record = Added(
        version=wanted.version,
        platform=told.platform if told.platform != ANY or wanted.kind == "wheel" else wanted.platform,
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
    _write(images / home / FILE, _with(found, record, replace=replace))
    return Taken(home, record, path, tuple(_missing(_read(images, home), record)))


def _read(images: Path, name: str) -> Declared:
    found = declared(images, name)
    if found is None:
        raise UsageError(f"the image {name} needs no vendor files", hint=f"images/{name} has no {FILE}")
    return found


def _place(images: Path, name: str, image: str | None) -> tuple[str, Needed]:
    """The image that a file is for, and what it is there."""
    homes = sorted(path.parent.name for path in images.glob(f"*/{FILE}"))
    home, _, version = (image or "").partition("/")
    if home and home not in homes:
        raise UsageError(f"there is no image {home} that needs vendor files", hint=f"there are: {', '.join(homes)}")
    asked = [(own, need) for own in homes if home in ("", own) for need in _read(images, own).needed]
    if version and version not in {need.version for _, need in asked}:
        known = dict.fromkeys(need.version for _, need in asked)
        raise UsageError(f"there is no version {version} of {home}", hint=f"there are: {', '.join(known)}")
    asked = [(own, need) for own, need in asked if version in ("", need.version)]
    meant = [(own, need) for own, need in asked if matches(need, name)]
    if meant:
        # Wheels for two platforms may carry the same pattern: the platform is the file's own affair.
        fitting = [found for found in meant if found[1].kind != "wheel" or _machine(found[1]) in name]
        return (fitting or meant)[0]
    if home and name.endswith(".whl") and any(need.kind == "wheel" for _, need in asked):
        return home, next(need for _, need in asked if need.kind == "wheel").model_copy(
            update={"file": name, "what": "a further wheel", "platform": ANY}
        )
    raise _unknown(name, asked)


def _machine(need: Needed) -> str:
    return "aarch64" if need.platform.endswith("arm64") else "x86_64"


def _unknown(name: str, asked: Sequence[tuple[str, Needed]]) -> UsageError:
    files = list(dict.fromkeys(need.file for _, need in asked))
    near = difflib.get_close_matches(name, files, n=1, cutoff=0.5)
    meant = f"is it {near[0]}? then --as {near[0]}; " if near and "*" not in near[0] else ""
    hint = f"{meant}a further wheel: --name IMAGE; the images ask for: {', '.join(files)}"
    return UsageError(f"no image asks for a file called {name}", hint=hint)


def _agree(file: Path, wanted: Needed, told: Recognised) -> None:
    further = wanted.platform == ANY
    if told.platform not in (ANY, wanted.platform) and not further and wanted.kind != "wheel":
        raise UsageError(f"{file} is for {told.platform}, and {wanted.what} for {wanted.platform} is asked for")
    own = wanted.file.startswith(f"{told.name.replace('-', '_')}-{wanted.version}") and wanted.kind == "wheel"
    if own and public(told.version) != wanted.version:
        raise UsageError(f"{file} is {told.name} {told.version}, and {wanted.version} is asked for")


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
        if (entry.version, entry.kind) != (record.version, record.kind):
            return False
        package = record.package is not None and entry.package == record.package
        return entry.file == record.file or (package and entry.platform == record.platform)

    return [entry for entry in found.added if same(entry)]


def _with(found: Declared, record: Added, *, replace: bool) -> tuple[Added, ...]:
    gone = _rivals(found, record) if replace else [entry for entry in found.added if entry.file == record.file]
    return tuple(sorted((*(one for one in found.added if one not in gone), record), key=lambda one: one.file))


def _put(file: Path, path: Path) -> None:
    """Place the file without copying where the file system allows: vendor files have gigabytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.samefile(file):
            return
        with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as scratch:
            temporary = Path(scratch) / path.name
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
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items())
