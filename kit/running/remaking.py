"""The plan of a run made again, and held against the one that lies in its directory: that one may be anybody's."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kit import plan as plans
from kit.errors import Problem
from kit.model import Environment, Inventory, Plan, Profile, RoundPlan
from kit.ports import Runtime

_NOT_EXECUTED = frozenset({"kit_version", "caveats"})
"""What a plan says of itself: another version of kit says it otherwise, and a rehearsal has caveats of its own."""
_SHOWN = 160


def again(profile: Profile, plan: Plan, runtime: Runtime, inventory: Inventory, *, models: Path, cpus: str) -> Plan:
    """The plan that is made of a run's profile here and now, with the environments and the accelerators that `plan` names.

    Raises `KitError` where it cannot be made. Whether environments and machine are those of then is not looked at.
    """
    pins = {(one.name, one.variant): one for one in plan.environments}
    if "transport" not in profile.load.model_fields_set:
        # Stored profiles hold every field: this one is of a time without a choice.
        load = profile.load.model_copy(update={"transport": "evalscope"})
        profile = profile.model_copy(update={"load": load})

    def pin(image: str, variant: str | None) -> Environment:
        return pins.get((image, variant)) or runtime.pin(image, variant)

    return plans.make(
        profile,
        sha256=plan.profile_sha256,
        runtime=plan.runtime,
        pin=pin,
        models=models,
        version=runtime.version,
        platform=plan.platform,
        inventory=inventory,
        cpus=cpus,
        devices=plan.devices,
    )


def differences(plan: Plan, made: Plan) -> Iterator[Problem]:
    """Every field that is another in `plan` than in the plan made again; one that differs in many rounds is told of the first."""
    before, after = _parts(plan), _parts(made)
    found: dict[tuple[bool, str], list[tuple[str, object, object]]] = {}
    for name, part in before.items():
        if name in after:
            for where, one, other in _apart(part, after[name], ""):
                if name and where == ".program.container.read_only" and plan.runtime == "process":
                    # Plans of a time before it say otherwise, and where there are no containers nothing reads it.
                    continue
                found.setdefault((name == "", where), []).append((name, one, other))
    for (_, where), [(name, one, other), *more] in found.items():
        rest = f" (in {len(more)} more rounds too)" if more else ""
        yield Problem(
            f"plan: {name}{where if name else where[1:]}",
            f"is {_told(one)} in plan.json, and {_told(other)} as made again from the profile{rest}",
        )


def _parts(plan: Plan) -> Mapping[str, object]:
    """The plan's own fields, with the names of its rounds in their order, and each round by its name."""
    own = plan.model_dump(mode="json", exclude=set(_NOT_EXECUTED))
    names = {kind: [entry.id for entry in entries] for kind, entries in _rounds(plan).items()}
    rounds = {entry.id: entry.model_dump(mode="json") for entries in _rounds(plan).values() for entry in entries}
    return {"": own | names, **rounds}


def _rounds(plan: Plan) -> Mapping[str, tuple[RoundPlan, ...]]:
    return {"rounds": plan.rounds, "warmups": plan.warmups}


def _apart(one: object, other: object, where: str) -> Iterator[tuple[str, object, object]]:
    """What differs in two documents, by its dotted place; of lists what follows their common beginning."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            yield from _apart(one.get(name), other.get(name), f"{where}.{name}")
    elif isinstance(one, list) and isinstance(other, list):
        if one != other:
            pairs = zip(one, other, strict=False)
            alike = next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
            yield (f"{where}[{alike}:]" if alike else where), one[alike:], other[alike:]
    elif one != other:
        yield where, one, other


def _told(value: object) -> str:
    if value is None:
        return "not set"
    said = repr(value)
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
