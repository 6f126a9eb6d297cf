"""What `kit reproduce` does, end to end: a run from elsewhere, planned as it was, executed here, and held against its original."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from kit import inventory as inventories
from kit import profile as profiles
from kit import runtimes, store
from kit.bundles import asking, reading
from kit.comparing import repeating
from kit.errors import HostError, NotAcceptedError, UsageError, VerificationError
from kit.inventory import Collected
from kit.legacy import tables
from kit.model import Environment, Inventory, Plan
from kit.model.reproduction import Otherwise, Reproduction
from kit.plan import Pin, environments
from kit.ports import Host, Progress, Runtime
from kit.profile import Loaded
from kit.resources import cache
from kit.running.beginning import Prepared
from kit.runtimes import fetching
from kit.runtimes.process import ProcessRuntime
from kit.store import RunDir
from kit.workflows import imaging, opening, relocating, running, sealing
from kit.workflows.opening import Opened
from kit.workflows.running import Finished

FILE = "reproduction.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to repeat: where things are, what may be granted, and what may differ."""

    on: Literal["process", "docker"] | None = None
    platform: str | None = None
    model_root: Path | None = None
    trust: Path | None = None
    settings: tuple[str, ...] = ()
    unsigned: bool = False
    allow_privileged: bool = False
    tolerance: float = repeating.TOLERANCE


@dataclass(frozen=True, slots=True)
class Original:
    """What is repeated: a bundle, a run directory, or a profile with the results that it names as its baseline."""

    name: str
    loaded: Loaded
    run: RunDir | None
    opened: Opened | None = None
    sha256: str | None = None
    signed_by: tuple[str, ...] = ()

    @property
    def plan(self) -> Plan | None:
        return self.run.plan() if self.run is not None else None

    @property
    def inventory(self) -> Inventory | None:
        return self.run.inventory() if self.run is not None else None

    def figures(self) -> dict[repeating.Key, repeating.Rounds]:
        """What was measured then. Raises `UsageError` where nothing is known."""
        if self.run is not None:
            results = self.run.results(self.run.plan())
            return repeating.of_results([(result.case, result.figures) for result in results])
        if self.loaded.baseline is None:
            msg = f"{self.name} has no results to compare with: it is a profile without a baseline"
            raise UsageError(msg, hint="kit run runs it")
        return repeating.of_rows(tables.read(self.loaded.baseline, str(self.loaded.profile.acceptance.baseline)).rows)


@dataclass(frozen=True, slots=True)
class Ready:
    """All that was decided before anything starts: the plan, and what is otherwise than it was."""

    original: Original
    prepared: Prepared
    differences: tuple[Otherwise, ...]
    wanted: Wanted


@contextmanager
def ready(reference: str, runs: Path, wanted: Wanted, progress: Progress, host: Host) -> Iterator[Ready]:
    """Verify the original, bring what it needs onto this machine, and plan it anew.

    Raises `VerificationError` where it is not genuine or asks for more than is granted, `HostError` where something is missing.
    """
    with ExitStack() as stack:
        original = _original(reference, runs, wanted, progress, stack, host.now())
        _require_granted(original, wanted)
        before = original.figures()
        loaded = relocating.relocated(original.loaded, original.opened, wanted.model_root, wanted.settings, progress)
        if not any(case.key in before for case in loaded.profile.load.expanded()):
            raise UsageError(f"no case of the profile is one that {original.name} has results of")
        runtime = wanted.on or (original.plan.runtime if original.plan is not None else "process")
        door, pin, images = _environments(original, runtime, wanted.platform, progress)
        collected = inventories.collect(host)
        prepared = running.planned(
            loaded, runtime, runs, wanted.platform, images=images, pin=pin or door.pin, collected=collected
        )
        yield Ready(original, prepared, _differences(original, prepared.plan, collected), wanted)


def _original(
    reference: str, runs: Path, wanted: Wanted, progress: Progress, stack: ExitStack, now: datetime
) -> Original:
    path = Path(reference)
    if reading.is_bundle(path):
        opened = stack.enter_context(opening.opened(path, wanted.trust, now, progress, unsigned=wanted.unsigned))
        name = opened.looked.bundle.manifest.run or opened.looked.bundle.manifest.profile
        loaded, signers = opened.looked.loaded, opened.verified.sign_offs if opened.verified is not None else ()
        signed_by = tuple(f"{one.name} ({one.role})" for one in signers)
        return Original(name, loaded, opened.run, opened, _sha256(path), signed_by)
    if path.suffix in (".yaml", ".yml"):
        loaded = profiles.load(reference)
        return Original(loaded.profile.name, loaded, None, sha256=loaded.sha256.removeprefix("sha256:"))
    home = next((one for one in (path, *path.absolute().parents) if (one / "plan.json").is_file()), None)
    run = RunDir(home) if home is not None else store.find(reference, runs)
    signed_by, sha256 = (), None
    if wanted.trust is not None:
        said = sealing.trusted(run.path, reference, wanted.trust, now)
        verified = sealing.whole(run, said)
        signed_by = tuple(f"{one.name} ({one.role})" for one in verified.sign_offs)
    text = run.text("profile.yaml") + "\n"
    if f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" != run.plan().profile_sha256:
        raise VerificationError(f"{run.path / 'profile.yaml'} is not the profile that this run was made of")
    loaded = profiles.alone(text, str(run.path / "profile.yaml"))
    held = Loaded(loaded.profile, loaded.source, loaded.sha256, run.baseline())
    return Original(run.name, held, run, None, sha256, signed_by)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_granted(original: Original, wanted: Wanted) -> None:
    """Raise where somebody else's profile or code wants what nobody has granted it yet."""
    if wanted.allow_privileged:
        return
    asked = list(asking.of(original.loaded.profile))
    if original.opened is not None:
        asked = list(original.opened.looked.asks)
        # Whoever takes a bundle unsigned has said that they take its code.
        asked += original.opened.unvouched if original.opened.verified is not None else ()
    if asked:
        msg = f"{original.name} asks for more of this machine than kit gives unasked"
        hint = "look at each; --allow-privileged grants them all"
        raise VerificationError(msg, problems=asked, hint=hint)


# --- environments ------------------------------------------------------------------------------------------------


def _environments(
    original: Original, runtime: Literal["process", "docker"], platform: str | None, progress: Progress
) -> tuple[Runtime, Pin | None, Path | None]:
    """What pins the environments: the old locks, or the old images; brought here where the bundle has them."""
    opened = original.opened
    if runtime == "process":
        if opened is None:
            return runtimes.make("process"), None, None
        images = opened.home / "images"
        door = ProcessRuntime(images, cache())
        if opened.looked.bundle.manifest.of("wheel"):
            python = opened.looked.bundle.manifest.python
            wheels = opened.extract("wheel") / "wheels"
            if python not in (None, fetching.own_python()):
                msg = f"the wheels in the bundle are for Python {python}, and kit runs on {fetching.own_python()} here"
                raise HostError(msg, hint="run kit from its image, or with that Python; or give --on docker")
            for environment in environments(original.loaded.profile, door.pin):
                if environment is not None:
                    door.environments.bring(environment, wheels, progress)
        return door, None, images
    door_ = runtimes.make("docker", platform)
    return door_, _pinned(original, door_, platform, progress), None


def _pinned(original: Original, door: Runtime, platform: str | None, progress: Progress) -> Pin:
    """Images by the ids of the original run where they are or can be loaded here; else those of the same name."""
    engine = imaging.open_store()
    wanted = imaging.platform(platform, engine)
    plan, opened = original.plan, original.opened
    old = {(one.name, one.variant): one for one in plan.environments if one.kind == "image"} if plan is not None else {}
    if (opened is not None and not all(engine.find(one.digest) is not None for one in old.values() or ())) or not old:
        fitting = [
            one for one in (opened.looked.bundle.manifest.of("image") if opened else ()) if one.platform == wanted
        ]
        for member in fitting:
            assert opened is not None
            reading.extract(opened.looked.bundle, [member], opened.home)
            path = opened.home / member.name
            path.with_name(f"{path.name}.sha256").write_text(f"{member.sha256}  {path.name}\n", "utf-8")
            imaging.load(path, progress)
            path.unlink()

    def pin(image: str, variant: str | None) -> Environment:
        known = old.get((image, variant))
        if known is not None and (found := engine.find(known.digest)) is not None and found.platform == wanted:
            return known
        return door.pin(image, variant)

    return pin


# --- what is otherwise -------------------------------------------------------------------------------------------


def _differences(original: Original, plan: Plan, collected: Collected) -> tuple[Otherwise, ...]:
    """What was decided otherwise, then what the machines differ in: what affects performance before all else."""
    found: list[Otherwise] = []
    if original.plan is not None:
        found += repeating.plans(original.plan, plan)
    if original.inventory is not None:
        found += repeating.machines(inventories.differences(original.inventory, collected.inventory))
    return tuple(sorted(found, key=lambda one: not one.performance))


def compared(found: Ready, finished: Finished) -> Reproduction:
    """The run held against its original; kept in its directory."""
    profile = found.original.loaded.profile
    plan = finished.run.plan()
    # A case that was left out of the repetition is one of which nothing can be said.
    cases = {case.key: case for case in (*profile.load.expanded(), *plan.cases)}
    results = finished.run.results(plan)
    after = repeating.of_results([(result.case, result.figures) for result in results])
    result = Reproduction(
        original=found.original.name,
        source_sha256=found.original.sha256,
        signed_by=found.original.signed_by,
        run=finished.run.name,
        figures=repeating.judge(
            tuple(cases.values()),
            repeating.tolerances(profile, found.wanted.tolerance),
            found.original.figures(),
            after,
        ),
        differences=found.differences,
    )
    try:
        store.write_once(finished.run.path / FILE, result.to_json())
    except OSError as error:
        raise HostError(f"{finished.run.path / FILE} cannot be written: {error.strerror}") from error
    return result


def require_reproduced(found: Reproduction) -> None:
    """Raises `NotAcceptedError` where it was not reproduced, or where that cannot be said."""
    if found.outcome != "reproduced":
        raise NotAcceptedError(repeating.sentence(found))
