"""What is wrong with a profile's fields, each by itself, and what is left of the profile without those."""

import copy
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kit import documents, secrecy
from kit.documents import Place
from kit.errors import Problem
from kit.model import Profile
from kit.model.record import LONGEST_TOKENS

_PASSES = 4
_CASES: Place = ("load", "cases")


@dataclass(frozen=True, slots=True)
class Written:
    """The fields of a profile as they were written: `lines` tells where they stand, `given` which came from settings."""

    data: dict[str, object]
    source: str
    lines: Mapping[Place, int]
    given: Collection[Place] = ()

    def where(self, place: Place) -> str:
        """A field as a problem names it: with its line, or that it came from the command line."""
        name = ".".join(map(str, place))
        if any(documents.covers(path, place) for path in self.given):
            return f"{name} (from --set)"
        known = next((self.lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in self.lines), None)
        return f"{name} (line {known})" if known is not None else name


@dataclass(frozen=True, slots=True)
class Examined:
    """What is wrong with the fields of a profile. `sound` is the profile with something else that can be where they stood, at the
    places `unknown`; None where too little is left."""

    written: Written
    problems: tuple[Problem, ...]
    sound: Profile | None
    unknown: Collection[Place]

    def told(self, found: Iterable[Problem]) -> Iterator[Problem]:
        """Those problems of what is sound that are true of what was written, with their places there."""
        for problem in found:
            place = tuple(int(step) if step.isdecimal() else step for step in problem.where.split("."))
            if not any(documents.covers(one, place) for one in self.unknown):
                yield replace(problem, where=self.written.where(place))


def examine(written: Written) -> Examined:
    """Every field of a profile by itself."""
    try:
        return Examined(written, (), Profile.model_validate(written.data), ())
    except ValidationError as error:
        wrong = error.errors()
    problems = tuple(
        _problem(found, written)
        for found in wrong
        # A list whose entries are all wrong is also called too short: that tells nothing more.
        if found["type"] != "too_short"
        or not any(other["loc"][:-1][: len(found["loc"])] == found["loc"] for other in wrong)
    )
    sound, unknown = _sound(written.data, [found["loc"] for found in wrong])
    return Examined(written, problems, sound, unknown)


def _sound(written: dict[str, object], wrong: Iterable[Place]) -> tuple[Profile | None, Collection[Place]]:
    data, unknown = copy.deepcopy(written), set[Place]()
    for _ in range(_PASSES):
        for place in map(_whole, wrong):
            while place in unknown or not _exchange(data, place):
                place = place[:-1]
                if not place:
                    return None, unknown
            unknown.add(place)
        try:
            return Profile.model_validate(data), unknown
        except ValidationError as error:
            # A record that cannot be without the field that was taken from it.
            wrong = [found["loc"] for found in error.errors()]
    return None, unknown


def _whole(place: Place) -> Place:
    """What is to be exchanged where something at a place is wrong: a whole list, but of the cases only the one group."""
    if place[:2] == _CASES:
        return place[:3]
    return next((place[:end] for end, step in enumerate(place) if isinstance(step, int)), place)


def _exchange(data: dict[str, object], place: Place) -> bool:
    """Leave out what stands at a place, or put something there that can be; whether either could be done."""
    target: object = data
    for step in place[:-1]:
        if not isinstance(target, dict) or step not in target:
            return False
        target = target[step]
    last = place[-1]
    if isinstance(target, list) and isinstance(last, int) and last < len(target):
        target[last] = _group(last)
    elif isinstance(target, dict) and place in _NEEDED:
        target[last] = copy.deepcopy(_NEEDED[place])
    elif isinstance(target, dict) and last in target:
        del target[last]
    else:
        return False
    return True


def _group(position: int) -> dict[str, object]:
    """A group of cases that is like no other."""
    return {"input": LONGEST_TOKENS - position, "output": 1, "concurrency": 1}


_LOAD: dict[str, object] = {"tokenizer": "", "cases": [_group(0)]}
_NEEDED: dict[Place, object] = {
    ("schema",): 1,
    ("name",): "unknown",
    ("server",): {"engine": ""},
    ("server", "engine"): "",
    ("load",): _LOAD,
    **{("load", name): value for name, value in _LOAD.items()},
}
"""What a profile cannot be without, and what can be there."""


def _problem(found: ErrorDetails, written: Written) -> Problem:
    """What pydantic found, with the place in the file, or that it came from the command line."""
    loc, kind = found["loc"], found["type"]
    place = written.where(loc)
    if kind == "missing":
        return Problem(place, "is missing")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), _fields_at(loc[:-1]), n=1)
        return Problem(
            place, "unknown field", f"did you mean {near[0]!r}?" if near else "kit profile schema lists them"
        )
    if kind == "too_short":
        return Problem(place, "is empty")
    if kind == "value_error":
        return Problem(place, secrecy.without(found["msg"].removeprefix("Value error, "), loc, found["input"]))
    shown = secrecy.shown(loc, found["input"])
    told = f", found {shown}" if shown is not None else ""
    return Problem(place, f"{found['msg'][:1].lower()}{found['msg'][1:]}{told}")


def _fields_at(loc: Place) -> list[str]:
    """The field names of the record at a path in the profile."""
    model: type[BaseModel] = Profile
    for part in loc:
        if isinstance(part, int):
            continue
        field = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
        inner = _record(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _record(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := _record(argument):
            return found
    return None
