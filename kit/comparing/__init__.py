"""Comparing results: runs, tables and old reports against one of them, with what noise alone would make.

`make` builds the whole comparison; `repeating` says of two runs whether one repeats the other.
"""

from collections.abc import Collection, Sequence
from string import ascii_uppercase

from kit import __version__
from kit.comparing import alike, differing, figures, words
from kit.comparing.prices import Prices
from kit.comparing.sides import Side
from kit.errors import UsageError
from kit.model.comparison import CaseRatios, Comparison, Contender, Ratio
from kit.model.profile import Language

MOST = len(ascii_uppercase)


def make(
    sides: Sequence[Side],
    language: Language,
    *,
    allow: Collection[str] = (),
    prices: Prices | None = None,
    by: str = "case",
) -> Comparison:
    """The comparison of all sides with the first. Raises `NotComparableError` where they were not measured alike."""
    if len(sides) > MOST:
        raise UsageError(f"{len(sides)} sides are more than the {MOST} that can be told apart")
    admitted = alike.check(sides, allow)
    contenders = [
        _contender(letter, side, sides[0], prices) for letter, side in zip(ascii_uppercase, sides, strict=False)
    ]
    contenders, tested = _judged(contenders)
    first = contenders[0]
    contenders = [
        entry.model_copy(update={"efficiency": figures.efficiency(first.cases, entry.cases)})
        if entry.against
        else entry
        for entry in contenders
    ]
    made = Comparison.model_validate(
        {
            "kit_version": __version__,
            "language": language,
            "by": by,
            "contenders": tuple(contenders),
            "allowed": admitted,
            "unknown": alike.unknown(sides),
            "differences": differing.of(sides),
            "currency": prices.currency if prices is not None else None,
            "tested": tested,
            "untried": tuple(
                entry.letter for entry, side in zip(contenders, sides, strict=True) if not figures.tried(side)
            ),
            "family": figures.FAMILY,
        }
    )
    return made.model_copy(update={"words": words.verdict(made)})


def _contender(letter: str, side: Side, baseline: Side, prices: Prices | None) -> Contender:
    hourly = prices.hourly(side) if prices is not None else None
    ratios, overall = figures.against(baseline, side) if side is not baseline else ((), ())
    keys = figures.shared(baseline, side)
    only = [case.name for found in (baseline, side) for key, case in found.cases.items() if key not in keys]
    return Contender(
        letter=letter,
        name=side.name,
        kind=side.kind,
        hardware=side.hardware,
        engine=side.engine,
        accelerators=side.accelerators,
        hourly=hourly,
        started=side.started,
        rounds=side.rounds,
        cases=figures.cases(side, hourly),
        against=ratios,
        overall=overall,
        missing=tuple(only),
        rehearsal=side.is_rehearsal,
    )


def _judged(contenders: Sequence[Contender]) -> tuple[list[Contender], int]:
    """All ratios of all sides judged as one family."""
    everything = [
        ratio
        for entry in contenders
        for ratio in (*(ratio for case in entry.against for ratio in case.ratios), *entry.overall)
    ]
    found = iter(figures.judged(everything))

    def take(count: int) -> tuple[Ratio, ...]:
        return tuple(next(found) for _ in range(count))

    result = []
    for entry in contenders:
        against: tuple[CaseRatios, ...] = tuple(
            case.model_copy(update={"ratios": take(len(case.ratios))}) for case in entry.against
        )
        result.append(entry.model_copy(update={"against": against, "overall": take(len(entry.overall))}))
    return result, sum(ratio.probability is not None for ratio in everything)
