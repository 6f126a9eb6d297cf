"""A profile from elsewhere on this machine: its models are found here, file by file, and its paths follow them."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kit import documents, weights
from kit import profile as profiles
from kit.bundles import reading
from kit.errors import HostError, Problem
from kit.model.bundle import Weights
from kit.ports import Progress
from kit.profile import Loaded
from kit.resources import cache
from kit.runtimes import notes
from kit.workflows.opening import Opened

_DEEPEST = 3


def relocated(
    loaded: Loaded, opened: Opened | None, root: Path | None, settings: Sequence[str], progress: Progress
) -> Loaded:
    """The profile with the paths of this machine, and with `settings`. Raises `HostError` naming every model that is not here."""
    named = opened.looked.bundle.manifest.weights if opened is not None else tuple(_named(loaded))
    moved = dict(_found(named, root, progress))
    tokenizer = _tokenizer(opened) if opened is not None else None
    if not settings and tokenizer is None and all(old == new for old, new in moved.items()):
        return loaded
    text = profiles.resolved(loaded.profile).decode()
    lines: dict[documents.Place, int] = {}
    data = documents.read(text, loaded.source, lines)
    assert isinstance(data, dict)
    _mounts(data, moved)
    changed = _followed(data, moved)
    assert isinstance(changed, dict)
    if tokenizer is not None:
        load = changed["load"]
        assert isinstance(load, dict)
        load["tokenizer"] = str(tokenizer)
    given = {documents.set_value(changed, setting) for setting in settings}
    made = profiles.validated(changed, loaded.source, lines, given)
    return replace(made, baseline=loaded.baseline, prompts=loaded.prompts)


def _named(loaded: Loaded) -> Iterator[Weights]:
    """The models that the server's arguments name by their paths; of their files nothing is known."""
    for word in dict.fromkeys(word for group in loaded.profile.server.args for word in group if word.startswith("/")):
        yield Weights(path=word, files=())


def _found(named: Sequence[Weights], root: Path | None, progress: Progress) -> Iterator[tuple[str, str]]:
    problems: list[Problem] = []
    for one in named:
        wrong: list[str] = []
        for place in _places(one, root):
            wrong = list(_wrong(one, place, progress))
            if not wrong:
                yield one.path, str(place)
                break
        else:
            where = f"below {root}" if root is not None else "at that path"
            problems.append(Problem(one.path, "; ".join(wrong[:3]) or f"is not {where} on this machine"))
    if problems:
        hint = "give the directory below which the models lie here with --model-root"
        raise HostError("models of the original are not on this machine", problems=problems, hint=hint)


def _places(one: Weights, root: Path | None) -> Iterator[Path]:
    """Where a model may lie: at its own path, or, with a root, below that under its name, then wherever its files are."""
    old = Path(one.path)
    if root is None:
        yield from (path for path in (old,) if path.exists())
        return
    base = root.absolute()
    near = [base / old.name, base / old.relative_to("/"), base]
    yield from (path for path in near if path.exists() and (path != base or path.name == old.name))
    for folder, directories, _ in os.walk(base):
        depth = len(Path(folder).relative_to(base).parts)
        directories[:] = [] if depth >= _DEEPEST else sorted(name for name in directories if not name.startswith("."))
        if Path(folder).name == old.name and Path(folder) not in near:
            yield Path(folder)
    if one.files and all((base / file.name).is_file() for file in one.files):
        yield base


def _wrong(one: Weights, place: Path, progress: Progress) -> Iterator[str]:
    """What of a model is missing or another at a place: names and sizes first, then the digests that are known."""
    paths = {file.name: place if place.is_file() else place / file.name for file in one.files}
    for file in one.files:
        path = paths[file.name]
        if not path.is_file():
            yield f"{path} is missing"
        elif path.stat().st_size != file.size:
            yield f"{path} has {path.stat().st_size} bytes, and had {file.size}"
    if any(not paths[f.name].is_file() or paths[f.name].stat().st_size != f.size for f in one.files):
        return
    for file in one.files:
        if file.sha256 is not None:
            progress(f"reading {paths[file.name]}")
            if weights.sha256(paths[file.name]) != file.sha256:
                yield f"{paths[file.name]} holds something else than it did"


def _followed(value: object, moved: Mapping[str, str]) -> object:
    """Data with every path that is, or is below, a moved one in its new place."""
    if isinstance(value, dict):
        return {key: _followed(inner, moved) for key, inner in value.items()}
    if isinstance(value, list):
        return [_followed(inner, moved) for inner in value]
    if isinstance(value, str):
        for old, new in moved.items():
            if value == old or value.startswith(f"{old}/"):
                return new + value[len(old) :]
    return value


def _mounts(data: dict[str, object], moved: Mapping[str, str]) -> None:
    """A directory that was mounted because models lie below it: now these are mounted themselves."""
    server = data["server"]
    assert isinstance(server, dict)
    found: list[object] = []
    for mount in server.get("mounts", []):
        above = f"{str(mount['path']).rstrip('/')}/"
        below = [new for old, new in moved.items() if old != new and old.startswith(above)]
        found += [{**mount, "path": new} for new in below] or [mount]
    server["mounts"] = found


def _tokenizer(opened: Opened) -> Path | None:
    """Where the tokenizer of a bundle lies once it was brought: in kit's cache under what it is; None where there is none."""
    members = opened.looked.bundle.manifest.of("tokenizer")
    if not members:
        return None
    total = hashlib.sha256("".join(f"{one.name}\0{one.sha256}\n" for one in members).encode()).hexdigest()
    return cache() / "tokenizers" / total[:16]


def bring_tokenizer(opened: Opened) -> None:
    """Put the tokenizer of a bundle, if it has one, where `relocated` has named it. Raises `HostError`."""
    place = _tokenizer(opened)
    if place is None or place.is_dir():
        return
    bundle = opened.looked.bundle
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Moved to its place when it is whole; what a kill leaves the next command removes.
        with notes.scratch_in(place.parent, "tokenizer") as scratch:
            reading.extract(bundle, bundle.manifest.of("tokenizer"), scratch / place.name, "tokenizer/")
            (scratch / place.name).rename(place)
    except OSError as error:
        # Another kit may have brought the same meanwhile.
        if not place.is_dir():
            raise HostError(f"{place} cannot be written: {error.strerror}") from error
