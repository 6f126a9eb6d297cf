"""Opening a bundle: what it asks for, whether it is what was signed, and its files where they are needed."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kit import beside, bounded
from kit import profile as profiles
from kit.beside import Contents
from kit.bundles import asking, names, reading
from kit.bundles.reading import Bundle
from kit.errors import KitError, Problem, VerificationError
from kit.images import archive, gathering
from kit.images.archive import Held
from kit.model import Profile
from kit.model.attestation import ATTESTATION
from kit.model.bundle import FOLDERS, Kind, Manifest, Member
from kit.ports import Progress
from kit.profile import Loaded
from kit.resources import folder
from kit.runtimes import notes
from kit.runtimes.sources import Source
from kit.signing import attesting, signatures
from kit.store import RunDir
from kit.workflows import sealing
from kit.workflows.sealing import Verified

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_UNVOUCHED = "is code that no signature and no lock covers"


@dataclass(frozen=True, slots=True)
class Looked:
    """A bundle whose headers are sound, its profile, and what that asks for beyond the least."""

    bundle: Bundle
    loaded: Loaded
    asks: tuple[Problem, ...]


def look(path: Path) -> Looked:
    """What is in a bundle; nothing of it is written, and its large files are not read. Raises `VerificationError`."""
    bundle = reading.look(path)
    manifest = bundle.manifest
    content = bundle.content(manifest.of("profile")[0])
    sha256 = f"sha256:{hashlib.sha256(content).hexdigest()}"
    try:
        loaded = profiles.alone(content.decode("utf-8"), f"{path.name}: profile.yaml")
    except (KitError, UnicodeDecodeError) as error:
        problems = error.problems if isinstance(error, KitError) else ()
        message = error.message if isinstance(error, KitError) else "profile.yaml is no text"
        raise VerificationError(f"the bundle {path.name} is refused: {message}", problems=problems) from error
    if (sha256, loaded.profile.name) != (manifest.profile_sha256, manifest.profile):
        problems = (Problem("profile.yaml", "is not the profile that the list names"),)
        raise VerificationError(f"the bundle {path.name} is refused", problems=problems)
    baseline = manifest.of("baseline")
    if (loaded.profile.acceptance.baseline is not None) != bool(baseline):
        problems = (Problem("baseline.csv", "is missing" if not baseline else "is none that the profile names"),)
        raise VerificationError(f"the bundle {path.name} is refused", problems=problems)
    held = bundle.content(baseline[0]) if baseline else None
    prompts = _prompts(bundle, loaded.profile)
    found = Loaded(loaded.profile, f"{path.name}: profile.yaml", sha256, held, prompts)
    return Looked(bundle, found, (*asking.of(loaded.profile), *asking.brought(manifest)))


def _prompts(bundle: Bundle, profile: Profile) -> Contents:
    """The prompts that a profile names, and no others. Raises `VerificationError`."""
    contents: dict[str, bytes] = {}
    problems = list(_misplaced(bundle.manifest, profile))
    for member in bundle.manifest.of("prompts") if not problems else ():
        contents[member.sha256] = bundle.content(member)
        problems += [Problem(member.name, found) for found in beside.wrong(contents[member.sha256])]
    if problems:
        raise VerificationError(f"the bundle {bundle.path.name} is refused", problems=problems)
    return contents


def _misplaced(manifest: Manifest, profile: Profile) -> Iterator[Problem]:
    """What in a bundle is not exactly the prompts that its profile names."""
    members = manifest.of("prompts")
    wanted = {told.sha256 for _, told in beside.named(profile)}
    for member in members:
        if member.sha256 not in wanted or member.name != f"{FOLDERS['prompts']}{member.sha256}.jsonl":
            yield Problem(member.name, "is none that the profile names")
    yield from beside.missing(profile, dict.fromkeys((member.sha256 for member in members), b""))
    if (total := sum(member.size for member in members)) > beside.MOST_BYTES:
        yield Problem(FOLDERS["prompts"], f"holds {total} bytes: too many for prompts")
    twice = {f"{FOLDERS['run']}{member.name}" for member in members}
    yield from (Problem(one.name, "stands there twice") for one in manifest.of("run") if one.name in twice)


Images = Mapping[str, Sequence[Held]]
"""The images in archives of a bundle, by the names of these files."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle of which every byte was compared with its list, and the files of it that lie on this machine now.

    `verified` is what was signed; `images` are those in its archives, by the names of these; `unvouched` are files that are
    code and that neither a signature nor a lock covers.
    """

    looked: Looked
    home: Path
    run: RunDir | None
    verified: Verified | None
    images: Images
    unvouched: tuple[Problem, ...]

    def extract(self, *kinds: Kind) -> Path:
        """Write the files of some kinds; the folder that they are below."""
        bundle = self.looked.bundle
        reading.extract(bundle, bundle.manifest.of(*kinds), self.home)
        return self.home


@contextmanager
def opened(
    path: Path, trust: Path | None, now: datetime, progress: Progress, *, unsigned: bool = False
) -> Iterator[Opened]:
    """Check a bundle: signatures before all else, then every file of it, then whether its figures are true.

    With `unsigned` it may be one that nobody vouches for; with a trust file it must be signed all the same. Raises
    `VerificationError`. The files that were written are gone afterwards.
    """
    looked = look(path)
    manifest = looked.bundle.manifest
    with notes.scratch("bundle") as name:
        home = Path(name)
        run = RunDir(home / "runs" / manifest.run) if manifest.run is not None else None
        said = None
        if trust is not None or not unsigned:
            sealed = [member for member in manifest.of("run") if member.name == f"run/{ATTESTATION}"]
            if run is None or not sealed or sealed[0].size > signatures.LARGEST_BYTES:
                raise VerificationError(f"{path} is not signed: there is no {ATTESTATION} in it", hint=_UNSIGNED)
            reading.extract(looked.bundle, sealed, run.path, "run/")
            said = sealing.trusted(run.path, str(path), trust, now)
            (run.path / ATTESTATION).unlink()
        reading.check(looked.bundle, progress)
        verified = None
        if run is not None:
            reading.extract(looked.bundle, manifest.of("run"), run.path, "run/")
            reading.extract(looked.bundle, manifest.of("prompts"), run.path)
            verified = sealing.whole(run, said) if said is not None else None
            RunDir.open(run.path)
        reading.extract(looked.bundle, manifest.of("lock"), home)
        images = {member.name: _held(looked.bundle, member) for member in manifest.of("image")}
        if problems := list(_foreign(looked, images, run, home)):
            msg = f"the bundle {path.name} holds other things than its run was made of"
            raise VerificationError(msg, problems=problems)
        yield Opened(looked, home, run, verified, images, tuple(_unvouched(looked.bundle, images, run, home)))


_UNSIGNED = "kit sign signs a run, then kit bundle bundles it again; for kit reproduce there is --unsigned"


def verify(path: Path, trust: Path | None, now: datetime, progress: Progress) -> Opened:
    """`kit verify` of a bundle."""
    with opened(path, trust, now, progress) as found:
        return found


def _foreign(looked: Looked, images: Images, run: RunDir | None, home: Path) -> Iterator[Problem]:
    """What in a bundle is not what the plan of its run pins: the signature covers that plan, and so all of this."""
    bundle = looked.bundle
    for name, held in images.items():
        for tag in (tag for image in held for tag in image.tags if not tag.startswith("kit/")):
            yield Problem(name, f"has an image with the name {names.shown(tag)}, which is none of kit's")
    if run is None:
        return
    plan = run.plan()
    if (plan.profile_sha256, run.baseline()) != (bundle.manifest.profile_sha256, looked.loaded.baseline):
        yield Problem("profile.yaml", "or baseline.csv is another than the run's")
    for environment in plan.environments:
        if environment.kind == "lock":
            source = Source(home / "images", environment.name, environment.variant)
            if not source.lock.is_file():
                yield Problem(f"images/{environment.name}", "is missing")
            elif source.digest() != environment.digest:
                yield Problem(f"images/{environment.name}", "is not what the run was made with")


def _held(bundle: Bundle, member: Member) -> Sequence[Held]:
    try:
        with bundle.open(member) as file:
            return archive.look(file)[0]
    except ValueError as error:
        raise VerificationError(f"{member.name} holds no images: {error}") from error


def _unvouched(bundle: Bundle, images: Images, run: RunDir | None, home: Path) -> Iterator[Problem]:
    """Code that the plan of the run does not pin, and that kit itself does not know."""
    environments = run.plan().environments if run is not None else ()
    own = folder("images")
    pinned = {digest for _, digest in gathering.read_built(own)}
    covered: set[str] = set()
    for environment in environments:
        source = Source(home / "images", environment.name, environment.variant)
        if environment.kind == "lock":
            covered |= {path.relative_to(home).as_posix() for path in source.files()}
    for member in bundle.manifest.of("lock"):
        same = own / member.name.removeprefix(FOLDERS["lock"])
        if member.name in covered or (same.is_file() and attesting.digest(same) == member.sha256):
            pinned |= set(
                _HASH.findall(bounded.read(home / member.name, reading.LARGEST_TEXT).decode("utf-8", "replace"))
            )
        else:
            yield Problem(member.name, _UNVOUCHED)
    for member in bundle.manifest.of("wheel"):
        if member.sha256 not in pinned:
            yield Problem(member.name, _UNVOUCHED)
    identities = {environment.digest for environment in environments}
    for name, held in images.items():
        for image in held:
            if image.id not in identities:
                yield Problem(f"{name}: {names.shown(' '.join(image.tags))}", _UNVOUCHED)
