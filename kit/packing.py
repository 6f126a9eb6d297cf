"""What `kit bundle` does, end to end: gathering what repeating a run takes, and writing it into one file."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kit import __version__, images, imaging, library, plan, runtimes, store, weights
from kit import profile as profiles
from kit.bundles import names, packed, writing
from kit.bundles.reading import FOLDERS
from kit.errors import HostError, KitError, Problem, UsageError
from kit.images import archive, gathering
from kit.model import Environment, Plan, Profile
from kit.model.bundle import KINDS, Kind, Manifest, Member, WeightFile, Weights
from kit.ports import Progress
from kit.redaction import Redactor, read_secret
from kit.resources import cache, folder
from kit.runtimes import fetching
from kit.runtimes.process import ProcessRuntime
from kit.runtimes.sources import Source
from kit.store import RunDir

Runtime = Literal["process", "docker"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the bundle is for: runtime and platforms of the new machine, those of the run unless given; kinds to leave out."""

    settings: tuple[str, ...] = ()
    runtime: Runtime | None = None
    platforms: tuple[str, ...] = ()
    without: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was written, and what was not to be had for it."""

    path: Path
    sha256: str
    size_bytes: int
    manifest: Manifest
    notes: tuple[str, ...]


@dataclass
class _Gathered:
    """The files of a bundle so far, by the names that they get."""

    scratch: Path
    wanted: Wanted
    progress: Progress
    sources: dict[str, Path] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: Kind, name: str, path: Path, *, platform: str | None = None) -> None:
        name = FOLDERS[kind] + name if FOLDERS[kind].endswith("/") else FOLDERS[kind]
        if found := names.wrong(name):
            raise UsageError(f"{path} cannot be bundled: {names.shown(name)} {found}")
        size, sha256 = writing.measure(path)
        unpacked = packed.unpacked(path) if kind == "image" else None
        member = Member(name=name, kind=kind, size=size, sha256=sha256, platform=platform, unpacked_bytes=unpacked)
        if name not in self.sources:
            self.sources[name] = path
            self.members.append(member)
        elif not any(member.sha256 == one.sha256 for one in self.members if one.name == name):
            raise UsageError(f"{name} is two different files: {path} and {self.sources[name]}")

    def write(self, kind: Kind, name: str, content: bytes) -> None:
        path = self.scratch / f"{kind}.content"
        path.write_bytes(content)
        self.add(kind, name, path)

    def wants(self, kind: Kind) -> bool:
        return kind not in self.wanted.without


def make(reference: str, runs: Path, out: Path, wanted: Wanted, progress: Progress) -> Bundled:
    """Bundle a run, or what a run of a profile would take. Raises `UsageError` where something has changed since the run."""
    run = _run(reference, runs)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.absolute().parent) as scratch:
            found = _Gathered(Path(scratch), wanted, progress)
            about, profile = _of_run(found, run) if run is not None else _of_profile(found, reference)
            _tokenizer(found, profile)
            order = {kind: number for number, kind in enumerate(KINDS)}
            members = tuple(sorted(found.members, key=lambda member: (order[member.kind], member.name)))
            if clashes := list(names.clashes(member.name for member in members)):
                raise UsageError(f"{reference} cannot be bundled", problems=clashes)
            manifest = about.model_copy(update={"members": members, "weights": tuple(_weights(found, profile))})
            progress(f"writing {out.name}: {len(members)} files, {sum(one.size for one in members) / 1e6:.0f} MB")
            sha256 = writing.write(out, manifest, found.sources)
    except OSError as error:
        kind = "no space is left" if error.errno == errno.ENOSPC else error.strerror
        raise HostError(f"{error.filename or out} cannot be read or written: {kind}") from error
    return Bundled(out, sha256, out.stat().st_size, manifest, tuple(found.notes))


def _run(reference: str, runs: Path) -> RunDir | None:
    """The run that is meant, or None where it is a profile."""
    path = Path(reference)
    if os.path.isfile(path / "plan.json"):
        return RunDir.open(path)
    if path.suffix in (".yaml", ".yml") or (reference in library.names() and "/" not in reference):
        return None
    return store.find(reference, runs)


# --- what a run, or a profile, takes -----------------------------------------------------------------------------


def _of_run(found: _Gathered, run: RunDir) -> tuple[Manifest, Profile]:
    if found.wanted.settings:
        raise UsageError("a run is bundled as it was: --set changes profiles only")
    made = run.plan()
    status = run.status()
    if status.status == "running":
        raise UsageError(f"{run.name} is still running", hint="bundle it when it is over")
    text = run.text("profile.yaml") + "\n"
    if f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" != made.profile_sha256:
        raise UsageError(f"{run.path / 'profile.yaml'} is not the profile that this run was made of")
    profile = profiles.parse(text, str(run.path / "profile.yaml")).profile
    found.add("profile", "", run.path / "profile.yaml")
    if (run.path / store.BASELINE).is_file():
        found.add("baseline", "", run.path / store.BASELINE)
    files = sorted(path for path in run.path.rglob("*") if not path.is_dir() or path.is_symlink())
    _require_no_secret(made, files)
    for path in files:
        found.add("run", path.relative_to(run.path).as_posix(), path)
    runtime = found.wanted.runtime or made.runtime
    platform = _platforms(found, made.platform, runtime)
    _environments(found, runtime, platform, made.environments)
    about = Manifest(
        kit_version=__version__,
        profile=made.profile,
        profile_sha256=made.profile_sha256,
        run=run.name,
        python=_python(found),
        left_out=found.wanted.without,
        members=(),
    )
    return about, profile


def _of_profile(found: _Gathered, reference: str) -> tuple[Manifest, Profile]:
    loaded = profiles.load(reference, found.wanted.settings)
    profile = loaded.profile
    found.write("profile", "", profiles.resolved(profile))
    if loaded.baseline is not None:
        found.write("baseline", "", loaded.baseline)
    runtime = found.wanted.runtime or "process"
    platforms = _platforms(found, None, runtime)
    door = runtimes.make(runtime, platforms[0] if found.wanted.platforms and runtime == "docker" else None)
    pinned = [one for one in plan.environments(profile, door.pin) if one is not None]
    _environments(found, runtime, platforms, pinned)
    about = Manifest(
        kit_version=__version__,
        profile=profile.name,
        profile_sha256=loaded.sha256,
        python=_python(found),
        left_out=found.wanted.without,
        members=(),
    )
    return about, profile


def _python(found: _Gathered) -> str | None:
    return fetching.own_python() if any(one.kind == "wheel" for one in found.members) else None


def _platforms(found: _Gathered, own: str | None, runtime: Runtime) -> tuple[str, ...]:
    if found.wanted.platforms:
        return tuple(map(imaging.platform, found.wanted.platforms))
    engine = imaging.open_store() if runtime == "docker" and own is None and found.wants("image") else None
    return (own or imaging.platform(None, engine),)


def _environments(found: _Gathered, runtime: Runtime, platforms: Sequence[str], pinned: Sequence[Environment]) -> None:
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
            for platform in platforms:
                for wheel in _wheels(found, one, platform):
                    own = None if wheel.name.endswith("-any.whl") else platform
                    found.add("wheel", wheel.name, wheel, platform=own)
    if runtime == "docker" and found.wants("image"):
        for platform in platforms:
            _images(found, platform, pinned)


def _wheels(found: _Gathered, environment: Environment, platform: str) -> list[Path]:
    """Every wheel of an environment's lock, from the cache where they are there, else fetched."""
    if images.MACHINES.get(platform) == os.uname().machine:
        runtime = ProcessRuntime(folder("images"), cache())
        return sorted(runtime.environments.fetch(environment, found.progress).glob("*.whl"))
    title = f"{environment.name}/{environment.variant}" if environment.variant else environment.name
    image, target = images.find(folder("images"), title, platform), found.scratch / f"wheels-{title.replace('/', '-')}"
    target.mkdir()
    gathering.wheels(image, Source(folder("images"), environment.name, environment.variant), target, found.progress)
    return sorted(target.glob("*.whl"))


def _images(found: _Gathered, platform: str, pinned: Sequence[Environment]) -> None:
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


def _archive(found: _Gathered, kind: Kind, platform: str, titles: Sequence[str]) -> Sequence[archive.Held]:
    path = found.scratch / kind / f"{platform.replace('/', '-')}.tar.gz"
    path.parent.mkdir(exist_ok=True)
    saved = imaging.save(titles, [platform], path, found.progress)
    found.add(kind, path.name, path, platform=platform)
    return saved.held


# --- the model ---------------------------------------------------------------------------------------------------


def _tokenizer(found: _Gathered, profile: Profile) -> None:
    """The files of the tokenizer's directory, weights apart; none where kit makes the model itself."""
    written = profile.load.tokenizer
    if "{model}" in written or not found.wants("tokenizer"):
        return
    home = Path(os.path.abspath(os.path.expanduser(written)))
    if not home.is_dir():
        found.notes.append(f"the tokenizer {home} is not on this machine: it must be on the new one")
        return
    for path in sorted(home.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.suffix not in weights.SUFFIXES:
            found.add("tokenizer", path.name, path.resolve())


def _weights(found: _Gathered, profile: Profile) -> Iterator[Weights]:
    """Every model that the server's arguments name by its path: its files by size, and by digest where these are known."""
    words = dict.fromkeys(word for group in profile.server.args for word in group if word.startswith("/"))
    for word in words:
        path = Path(word)
        if not path.exists():
            found.notes.append(f"{word} is not on this machine: its files are not named in the bundle")
            continue
        try:
            listed = dict(weights.listed(path)) if (path / weights.LIST).is_file() else {}
        except KitError as error:
            raise UsageError(f"{word} cannot be named: {error.message}", hint=error.hint) from error
        files = weights.files(path)
        if unknown := [name for name, _ in files if name not in listed]:
            hint = f"kit model digest {path} > {path / weights.LIST}"
            found.notes.append(f"{len(unknown)} files of {word} are named by their size alone ({hint})")
        yield Weights(
            path=word, files=tuple(WeightFile(name=name, size=size, sha256=listed.get(name)) for name, size in files)
        )


def _require_no_secret(made: Plan, files: Sequence[Path]) -> None:
    """Raise where the key of the endpoint stands in a file, although kit strikes it out of all that it writes."""
    if made.target.api_key is None:
        return
    try:
        redactor = Redactor([read_secret(made.target.api_key)])
    except KitError:
        return  # not known here: what it was cannot be looked for
    problems = []
    for path in files:
        content = path.read_bytes()
        if redactor.strike(content) != content:
            problems.append(Problem(str(path), "holds the API key"))
    if problems:
        raise UsageError("a bundle holds no secret", problems=problems, hint="make the run again, or mend those files")
