"""Whether figures are comparable: every key that must be alike, held between the baseline and each other side."""

from collections.abc import Collection, Sequence

from kit.comparing import served
from kit.comparing.sides import KEYS, Side
from kit.errors import NotComparableError, Problem, UsageError
from kit.model.comparison import Differing

_WHOLE = ("success", "complete")
_TOKENS_AGREE = 0.01


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


def _tells(side: Side, key: str) -> bool:
    return side.keys.get(key) is not None and not (key == "weights" and served.untold(side))


def _differing(key: str, sides: Sequence[Side]) -> list[Differing]:
    if key == "weights" and ((found := served.differing(sides)) or served.proven(sides)):
        return found
    values = tuple(side.keys.get(key) for side in sides)
    told = [value for value in values if value is not None]
    if key in _WHOLE:
        return [Differing(group="load", name=key, values=values)] if any(not _whole(key, v) for v in told) else []
    if len({value.casefold() for value in told}) > 1:
        return [Differing(group="load", name=key, values=values)]
    return _lengths_measured(sides) if key == "lengths" else []


def _whole(key: str, value: str) -> bool:
    first, _, rest = value.partition(" of ")
    return value == "complete" if key == "complete" else first == rest.split()[0]


def _lengths_measured(sides: Sequence[Side]) -> list[Differing]:
    """Cases whose answers were not equally long: a server that stops early is not faster."""
    result = []
    for key, first in sides[0].cases.items():
        tokens = [side.cases[key].tokens_out if key in side.cases else None for side in sides]
        known = [count for count in tokens if count is not None]
        if known and max(known) > min(known) * (1 + _TOKENS_AGREE):
            values = tuple(None if count is None else f"{count:g} tokens" for count in tokens)
            result.append(Differing(group="load", name=f"lengths: output of {first.name}", values=values))
    return result


def _told(entry: Differing, sides: Sequence[Side]) -> str:
    pairs = zip(sides, entry.values, strict=True)
    return ", ".join(f"{side.name} has {value if value is not None else 'not told'}" for side, value in pairs)
