"""Whether figures are comparable: every key that must be alike, held between the baseline and each other side."""

from collections.abc import Collection, Iterator, Sequence

from kit.comparing import served
from kit.comparing.sides import KEYS, Measured, Side
from kit.errors import NotComparableError, Problem, UsageError
from kit.model.comparison import Differing

_WHOLE = ("success", "complete")
_AGREE = 0.01


def check(sides: Sequence[Side], allow: Collection[str]) -> tuple[Differing, ...]:
    """The keys that differ and were admitted. Raises `NotComparableError` with all that differ and were not."""
    if wrong := [key for key in allow if key not in KEYS]:
        raise UsageError(f"there is no key {wrong[0]!r} to allow", hint=f"one of: {', '.join(KEYS)}")
    if len(sides) < 2:
        raise UsageError("there is nothing to compare with", hint="give a second run, or --baseline")
    found = [entry for key in KEYS for entry in _differing(key, sides)]
    refused = [entry for entry in found if entry.name.partition(":")[0] not in allow]
    if not any(set(sides[0].cases) & set(side.cases) for side in sides[1:]):
        raise NotComparableError(
            "there is no case that the baseline shares with another side",
            problems=[Problem(entry.name, _told(entry, sides)) for entry in refused],
            hint="compare what was measured at the same lengths and concurrencies: nothing can be allowed instead",
        )
    if refused:
        keys = list(dict.fromkeys(entry.name.partition(":")[0] for entry in refused))
        raise NotComparableError(
            f"{' and '.join(side.name for side in sides)} cannot be compared: {', '.join(keys)}",
            problems=[Problem(entry.name, _told(entry, sides)) for entry in refused],
            hint=" ".join(f"--allow {key}" for key in keys) + " compares all the same, and the report says so",
        )
    return tuple(found)


def unknown(sides: Sequence[Side]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The keys that some sides do not tell, with those sides: for them nothing can be said."""
    found = ((key, tuple(side.name for side in sides if not _tells(side, key))) for key in KEYS)
    return tuple((key, names) for key, names in found if names)


def apart(first: Measured, second: Measured) -> bool:
    """Whether two measurements of a case certainly were not of the same requests: another number of them, or longer ones."""
    return _unlike((first.requests, second.requests)) or any(
        _unlike(pair, _AGREE) for _, pair in _tokens(first, second)
    )


def _tells(side: Side, key: str) -> bool:
    if key == "requests":
        return all(case.requests is not None for case in side.cases.values())
    return side.keys.get(key) is not None and not (key == "weights" and served.untold(side))


def _differing(key: str, sides: Sequence[Side]) -> list[Differing]:
    if key == "weights" and ((found := served.differing(sides)) or served.proven(sides)):
        return found
    values = tuple(side.keys.get(key) for side in sides)
    told = [value for value in values if value is not None]
    if key in _WHOLE:
        return [Differing(group="load", name=key, values=values)] if any(not _whole(key, v) for v in told) else []
    unlike = len({value.casefold() for value in told}) > 1
    found = [Differing(group="load", name=key, values=values)] if unlike else []
    return [*found, *(_lengths_measured(sides) if key == "lengths" else _requests(sides) if key == "requests" else ())]


def _whole(key: str, value: str) -> bool:
    first, _, rest = value.partition(" of ")
    return value == "complete" if key == "complete" else rest.split()[:1] == [first]


def _lengths_measured(sides: Sequence[Side]) -> list[Differing]:
    """Cases whose prompts or answers were not equally long, whatever was asked for: who reads or says less is not faster."""
    result = []
    for key, first in sides[0].cases.items():
        for name, tokens in _tokens(*(side.cases.get(key) for side in sides)):
            if _unlike(tokens, _AGREE):
                values = tuple(None if count is None else f"{count:g} tokens" for count in tokens)
                result.append(Differing(group="load", name=f"lengths: {name} of {first.name}", values=values))
    return result


def _tokens(*cases: Measured | None) -> Iterator[tuple[str, tuple[float | None, ...]]]:
    yield "input", tuple(case.tokens_in if case is not None else None for case in cases)
    yield "output", tuple(case.tokens_out if case is not None else None for case in cases)


def _requests(sides: Sequence[Side]) -> list[Differing]:
    """How many requests a round sends, where that differs: the fewer, the more of it is its beginning and its end."""
    every = [[side.cases.get(key) for side in sides] for key in sides[0].cases]
    unlike = [found for found in every if _unlike([case.requests if case is not None else None for case in found])]
    values = [
        ", ".join(dict.fromkeys(_sent(case) for case in found if case)) or None for found in zip(*unlike, strict=True)
    ]
    return [Differing(group="load", name="requests", values=tuple(values))] if unlike else []


def _sent(case: Measured) -> str:
    if case.requests is None:
        return "not told"
    return f"{case.requests} at {case.rate.label}" if case.rate else f"{case.requests / case.concurrency:g} per client"


def _unlike(found: Sequence[float | None], within: float = 0.0) -> bool:
    known = [count for count in found if count is not None]
    return bool(known) and max(known) > min(known) * (1 + within)


def _told(entry: Differing, sides: Sequence[Side]) -> str:
    pairs = zip(sides, entry.values, strict=True)
    return ", ".join(f"{side.name} has {value if value is not None else 'not told'}" for side, value in pairs)
