"""What `kit reproduce` does, end to end: a run from elsewhere, planned as it was, executed here, and held against its original."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from kit import inventory as inventories
from kit.bundles import asking
from kit.comparing import repeating
from kit.errors import UsageError, VerificationError
from kit.inventory import Collected
from kit.model import Plan
from kit.model import reproduction as model
from kit.model.reproduction import Otherwise, Reproduction
from kit.ports import Host, Progress
from kit.running.beginning import Prepared
from kit.running.runner import Observe
from kit.workflows import bringing, originals, relocating, repeated, running
from kit.workflows.originals import Original
from kit.workflows.running import Finished


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
class Ready:
    """All that was decided before anything starts: the plan, and what is otherwise than it was. `brought` is the same once what
    it takes was brought onto this machine, which nothing has changed until then."""

    original: Original
    prepared: Prepared
    differences: tuple[Otherwise, ...]
    wanted: Wanted
    brought: Callable[[Progress], "Ready"]


@contextmanager
def ready(reference: str, runs: Path, wanted: Wanted, progress: Progress, host: Host) -> Iterator[Ready]:
    """Verify the original and plan it anew.

    Raises `VerificationError` where it is not genuine or asks for more than is granted, `HostError` where something is missing.
    """
    with originals.found(
        reference, runs, progress, host.now(), trust=wanted.trust, unsigned=wanted.unsigned
    ) as original:
        _require_granted(original, wanted)
        before = original.figures()
        loaded = relocating.relocated(original.loaded, original.opened, wanted.model_root, wanted.settings, progress)
        if not any(case.key in before for case in loaded.profile.load.expanded()):
            raise UsageError(f"no case of the profile is one that {original.name} has results of")
        runtime = wanted.on or (original.plan.runtime if original.plan is not None else "process")
        source = bringing.source(original, runtime, wanted.platform)
        collected = inventories.collect(host)

        def decided() -> Ready:
            prepared = running.planned(
                *(loaded, runtime, runs, wanted.platform),
                images=source.images,
                kept=source.kept,
                pin=source.pin,
                version=source.version,
                collected=collected,
            )
            return Ready(original, prepared, _differences(original, prepared.plan, collected), wanted, brought)

        def brought(progress: Progress) -> Ready:
            source.bring(decided().prepared.plan, progress)
            if original.opened is not None:
                relocating.bring_tokenizer(original.opened)
            # Again: some engines know an image by an id that nobody knows before.
            return decided()

        yield decided()


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


# --- what is otherwise -------------------------------------------------------------------------------------------


def _differences(original: Original, plan: Plan, collected: Collected) -> tuple[Otherwise, ...]:
    """What was decided otherwise, then what the machines differ in: what affects performance before all else."""
    found: list[Otherwise] = []
    if original.plan is not None:
        found += repeating.plans(original.plan, plan)
    if original.inventory is not None:
        found += repeating.machines(inventories.differences(original.inventory, collected.inventory))
    return tuple(sorted(found, key=lambda one: not one.performance))


# --- the repetition ----------------------------------------------------------------------------------------------


def repeat(found: Ready, observe: Observe, *, force: bool = False, wait: bool = False) -> tuple[Finished, Reproduction]:
    """Execute the plan and hold the run against its original, which it keeps: its report says what came of it, also where
    another kit goes on with it."""
    prepared = replace(found.prepared, original=original(found))
    finished = running.run(prepared, observe, force=force, wait=wait)
    result = finished.run.reproduction()
    assert result is not None
    return finished, result


def original(found: Ready) -> model.Original:
    """What the run keeps of its original."""
    origin, profile = found.original, found.original.loaded.profile
    return model.Original(
        name=origin.name,
        source_sha256=origin.sha256,
        signed_by=origin.signed_by,
        machine_known=origin.run is not None,
        cases=profile.load.expanded(),
        tolerances=tuple(repeating.tolerances(profile, found.wanted.tolerance).items()),
        measured=repeated.measured(origin.figures()),
        differences=found.differences,
    )
