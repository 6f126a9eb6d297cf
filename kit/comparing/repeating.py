"""Holding a repeated run against its original: every figure, with the tolerance of the profile, and what differed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kit import intervals, recount
from kit.comparing import runs
from kit.inventory import Difference
from kit.model import Case, Figures, Plan, Profile
from kit.model.rates import CaseKey
from kit.model.reproduction import Otherwise, Repeated
from kit.model.table import METRICS, Row

TOLERANCE = 0.1
"""How far a figure may be from the original's where the profile says nothing."""
SUCCESS = "success_rate"

Key = CaseKey


@dataclass(frozen=True, slots=True)
class Rounds:
    """The figures of one case, one value for each round, and which part of its requests succeeded, where that is known."""

    figures: Mapping[str, tuple[float | None, ...]]
    requests: int
    success: float | None = None
    step: Mapping[str, float] | None = None


def of_results(results: Sequence[tuple[Case, Figures]]) -> dict[Key, Rounds]:
    """What a run measured."""
    found: dict[Key, list[Figures]] = {}
    requests: dict[Key, int] = {}
    for case, figures in results:
        found.setdefault(case.key, []).append(figures)
        requests[case.key] = case.requests
    return {key: _rounds(figures, requests[key]) for key, figures in found.items()}


def _rounds(found: Sequence[Figures], requests: int) -> Rounds:
    values = [recount.values(figures) for figures in found]
    sent = sum(figures.requests for figures in found)
    good = sum(figures.succeeded for figures in found)
    return Rounds(
        {name: tuple(one[name] for one in values) for name in METRICS}, requests, good / sent if sent else 0.0
    )


def of_rows(rows: Sequence[Row]) -> dict[Key, Rounds]:
    """What a table of results says: rounds of a case stand in rows of their own."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(row.key, []).append(row)
    return {key: _written(own) for key, own in found.items()}


def _written(rows: Sequence[Row]) -> Rounds:
    cells = [dict(row.cells()) for row in rows]
    figures = {name: tuple(one[name].value if name in one else None for one in cells) for name in METRICS}
    step = {name: max((one[name].step for one in cells if name in one), default=0.0) for name in METRICS}
    return Rounds(figures, rows[0].requests or rows[0].concurrency, None, step)


def judge(
    cases: Sequence[Case], tolerances: Mapping[str, float], before: Mapping[Key, Rounds], after: Mapping[Key, Rounds]
) -> tuple[Repeated, ...]:
    """Every figure that the original has, and whether it came out again."""
    return tuple(_judge(cases, tolerances, before, after))


def _judge(
    cases: Sequence[Case], tolerances: Mapping[str, float], before: Mapping[Key, Rounds], after: Mapping[Key, Rounds]
) -> Iterator[Repeated]:
    for name in METRICS:
        wanted = [
            case for case in cases if case.key in before and any(v is not None for v in before[case.key].figures[name])
        ]
        whole = [case for case in wanted if case.key in after and _pair(before[case.key], after[case.key], name)]
        pairs = [_pair(before[case.key], after[case.key], name) for case in whole]
        ratios = dict(
            zip([case.key for case in whole], intervals.ratios([p for p in pairs if p is not None]), strict=True)
        )
        for case in wanted:
            old = before[case.key]
            new = after.get(case.key)
            empty = Repeated(
                case=case.id,
                metric=name,
                original=_mean(old.figures[name]),
                repeated=_mean(new.figures[name]) if new is not None else None,
                tolerance=tolerances.get(name, TOLERANCE),
                state="open",
            )
            if new is None or empty.original is None or empty.repeated is None:
                side = "the original" if empty.original is None else "the repeated run"
                yield empty.model_copy(update={"reason": f"{side} lacks it"})
            elif empty.original <= 0 or empty.repeated <= 0:
                yield empty.model_copy(update={"reason": "is not above zero"})
            else:
                yield _decided(empty, ratios.get(case.key), old)
    for case in cases:
        known = before.get(case.key)
        if known is not None and known.success is not None:
            yield _success(case, known.success, after.get(case.key))


def _pair(old: Rounds, new: Rounds, name: str) -> intervals.Pair | None:
    """The rounds of both sides, where every one has the figure."""
    theirs = tuple(value for value in old.figures[name] if value is not None and value > 0)
    ours = tuple(value for value in new.figures[name] if value is not None and value > 0)
    if not theirs or not ours or len(theirs) < len(old.figures[name]) or len(ours) < len(new.figures[name]):
        return None
    resolution = (old.step or {}).get(name, 0.0) / max(theirs)
    return intervals.Pair(theirs, ours, min(old.requests, new.requests), resolution)


def _decided(entry: Repeated, ratio: intervals.Ratio | None, old: Rounds) -> Repeated:
    """By the interval of the ratio where there are rounds: inside the tolerance, outside, or across its edge."""
    assert entry.original is not None
    assert entry.repeated is not None
    # A figure that was written with few digits may be anything that is written so.
    slack = (old.step or {}).get(entry.metric, 0.0) / 2 / entry.original
    low_edge, high_edge = 1 - entry.tolerance - slack, 1 + entry.tolerance + slack
    if ratio is None:
        value = entry.repeated / entry.original
        state = "within" if low_edge <= value <= high_edge else "outside"
        return entry.model_copy(update={"ratio": value, "state": state})
    low, high = ratio.interval.low, ratio.interval.high
    found = entry.model_copy(update={"ratio": ratio.value, "low": low, "high": high})
    if low_edge <= low and high <= high_edge:
        return found.model_copy(update={"state": "within"})
    if high < low_edge or low > high_edge:
        return found.model_copy(update={"state": "outside"})
    return found.model_copy(update={"reason": "the rounds differ too much from each other to say"})


def _success(case: Case, old: float, new: Rounds | None) -> Repeated:
    value = new.success if new is not None else None
    entry = Repeated(case=case.id, metric=SUCCESS, original=old, repeated=value, tolerance=0.0, state="open")
    if value is None:
        return entry.model_copy(update={"reason": "the repeated run lacks it"})
    # Fewer failures than then is no harm; more are, whatever the other figures say.
    return entry.model_copy(update={"state": "within" if value >= old else "outside"})


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def tolerances(profile: Profile, default: float) -> dict[str, float]:
    """How far each metric may be off, to either side."""
    return dict.fromkeys(METRICS, default) | {entry.metric: abs(entry.change) for entry in profile.acceptance.tolerance}


# --- what differed -----------------------------------------------------------------------------------------------


def plans(before: Plan, after: Plan) -> tuple[Otherwise, ...]:
    """What two plans decided otherwise, what affects performance most first."""
    return tuple(_plans(before, after))


def _plans(before: Plan, after: Plan) -> Iterator[Otherwise]:
    old = {one.title: one.digest for one in before.environments}
    new = {one.title: one.digest for one in after.environments}
    for title in dict.fromkeys((*old, *new)):
        yield from _otherwise(f"environment {title}", old.get(title), new.get(title))
    old_given, new_given = _given(before), _given(after)
    pairs = (
        ("engine", f"{before.engine} {before.engine_version}", f"{after.engine} {after.engine_version}"),
        (
            "load generator",
            f"{before.generator} {before.generator_version}",
            f"{after.generator} {after.generator_version}",
        ),
        ("runtime", before.runtime, after.runtime),
        ("platform of the images", before.platform, after.platform),
        ("accelerators used", len(before.devices), len(after.devices)),
        *((name, old_given.get(name), new_given.get(name)) for name in dict.fromkeys((*old_given, *new_given))),
        ("rounds of a case", before.rounds_per_case, after.rounds_per_case),
        ("cases", " ".join(case.id for case in before.cases), " ".join(case.id for case in after.cases)),
        ("seed", before.rounds[0].order.seed, after.rounds[0].order.seed),
    )
    for name, one, other in pairs:
        yield from _otherwise(name, one, other)
    for name, one, other in (
        ("tokenizer", before.tokenizer, after.tokenizer),
        ("server's port", _port(before), _port(after)),
        ("endpoint", _endpoint(before), _endpoint(after)),
        ("kit", before.kit_version, after.kit_version),
    ):
        yield from _otherwise(name, one, other, performance=False)


def _otherwise(name: str, before: object, after: object, *, performance: bool = True) -> Iterator[Otherwise]:
    one, other = (None if value is None else str(value) for value in (before, after))
    if one != other:
        yield Otherwise(name=name, before=one, after=other, performance=performance)


def _given(plan: Plan) -> dict[str, str]:
    """The server's arguments and variables, without what must differ between machines: its port and where a made model lies."""
    port = str(plan.server.port) if plan.server is not None else None
    made = plan.model.directory if plan.model is not None else None
    return {
        name: "{model}" if made and value.startswith(made) else value
        for name, value in runs.given(plan)
        if value != port
    }


def _port(plan: Plan) -> int | None:
    return plan.server.port if plan.server is not None else None


def _endpoint(plan: Plan) -> str | None:
    return plan.target.url if plan.server is None else None


def machines(found: Sequence[Difference]) -> tuple[Otherwise, ...]:
    """What two machines differ in, as `kit inventory diff` orders it."""
    return tuple(
        Otherwise(name=one.name, before=one.before, after=one.after, performance=one.performance) for one in found
    )
