"""What the sides differ in beyond their figures: accelerators, engines and arguments, machines, the load; in that order."""

from collections.abc import Sequence

from kit.comparing.sides import Side
from kit.inventory.comparing import Named
from kit.model.comparison import Differing

_NOT_RELEVANT = frozenset({"--host", "--port", "--model-path", "--api-key", "hostname", "clock synchronised"})


def of(sides: Sequence[Side]) -> tuple[Differing, ...]:
    """The accelerators used, engines and their arguments, then facts that affect performance, then the load, then all other facts.

    Only what at least two sides tell: a table of figures differs from a run in everything that it leaves out.
    """
    runs = [dict(side.arguments) for side in sides]
    told = [bool(side.arguments) for side in sides]
    arguments = [
        Differing(
            group="arguments",
            name=name,
            values=tuple((run.get(name, "—") if known else None) for run, known in zip(runs, told, strict=True)),
        )
        for name in dict.fromkeys(name for run in runs for name in run)
        if name not in _NOT_RELEVANT
    ]
    facts = [{fact.name: fact for fact in side.machine} for side in sides]
    order = dict.fromkeys(name for found in facts for name in found)
    relevant = [name for name in order if any(_counts(found.get(name)) for found in facts)]
    rest = [name for name in order if name not in relevant]
    return tuple(
        entry
        for entry in (
            Differing(group="machine", name="accelerators", values=tuple(map(_accelerators, sides))),
            *_named("engine", [dict(side.software) for side in sides]),
            *arguments,
            *(_fact(name, facts) for name in relevant),
            *_named("load", [dict(side.load) for side in sides]),
            *(_fact(name, facts) for name in rest if name not in _NOT_RELEVANT),
        )
        if len({value for value in entry.values if value is not None}) > 1
    )


def _accelerators(side: Side) -> str | None:
    """How many of which model the side used, as far as it tells."""
    told = (f"{side.accelerators}" if side.accelerators else None, side.accelerator)
    return " x ".join(part for part in told if part) or None


def _counts(found: Named | None) -> bool:
    return found is not None and found.performance


def _named(group: str, found: Sequence[dict[str, str]]) -> list[Differing]:
    names = dict.fromkeys(name for entry in found for name in entry)
    return [
        Differing.model_validate({"group": group, "name": name, "values": tuple(entry.get(name) for entry in found)})
        for name in names
    ]


def _fact(name: str, facts: Sequence[dict[str, Named]]) -> Differing:
    values = [found[name].value if name in found else ("—" if found else None) for found in facts]
    return Differing(group="machine", name=name, values=tuple(values))
