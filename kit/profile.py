"""Reading profiles: YAML with positions, settings from the command line, and every problem at once."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import yaml

from kit import agreement, beside, documents, fields, library
from kit.beside import Contents
from kit.errors import Problem, ProfileError
from kit.fields import Examined, Written
from kit.model import Profile

Also = Callable[[Profile], Iterable[Problem]]
"""Looks for what else is wrong with a profile; each problem stands at the field that is."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A profile, its source, the digest of it resolved, settings included, and the bytes of its baseline and its prompts."""

    profile: Profile
    source: str
    sha256: str
    baseline: bytes | None = None
    prompts: Contents = field(default_factory=dict)


def load(reference: str, settings: Sequence[str] = (), also: Also = lambda _: ()) -> Loaded:
    """Read, set, validate and check a profile, with the files that it names. Raises `ProfileError` with all its problems."""
    path = library.find(reference)
    examined = fields.examine(_written(library.text(path), str(path), settings))
    profile, baseline = examined.sound, None
    contents: Contents = {}
    found: list[Problem] = []
    if profile is not None:
        try:
            profile, contents = beside.prompts(profile, path.parent)
        except ProfileError as error:
            found += error.problems
        try:
            baseline = beside.baseline(profile, path.parent)
        except ProfileError as error:
            found += error.problems
        found += (*agreement.check(profile), *also(profile))
    return replace(_loaded(examined, profile, found), baseline=baseline, prompts=contents)


def parse(text: str, source: str, settings: Sequence[str] = ()) -> Loaded:
    """The profile that `text` describes, after `settings` of the form `path=value`."""
    return _checked(_written(text, source, settings))


def alone(text: str, source: str) -> Loaded:
    """A profile that stands for itself, as `resolved` writes it: it extends none of this machine."""
    lines: dict[documents.Place, int] = {}
    return _checked(Written(_fields(text, source, lines), source, lines))


def validated(
    data: dict[str, object],
    source: str,
    lines: Mapping[documents.Place, int],
    given: Collection[documents.Place] = (),
) -> Loaded:
    """The profile with these fields, of which `lines` tells where they stand, and `given` which came from settings.

    Raises `ProfileError` with all problems.
    """
    return _checked(Written(data, source, lines, given))


def _checked(written: Written) -> Loaded:
    examined = fields.examine(written)
    found = agreement.check(examined.sound) if examined.sound is not None else ()
    return _loaded(examined, examined.sound, found)


def _loaded(examined: Examined, profile: Profile | None, found: Iterable[Problem]) -> Loaded:
    problems = (*examined.problems, *examined.told(found))
    if problems or profile is None:
        raise ProfileError(f"{examined.written.source} is not a valid profile", problems=problems)
    digest = hashlib.sha256(resolved(profile)).hexdigest()
    return Loaded(profile, examined.written.source, f"sha256:{digest}")


def _written(text: str, source: str, settings: Sequence[str]) -> Written:
    lines: dict[documents.Place, int] = {}
    data = _fields(text, source, lines)
    if (base := data.pop("extends", None)) is not None:
        data = _merged(_base(base, source), data)
    given = {documents.set_value(data, setting) for setting in settings}
    return Written(data, source, lines, given)


def _fields(text: str, source: str, lines: dict[documents.Place, int]) -> dict[str, object]:
    data = documents.read(text, source, lines)
    if not isinstance(data, dict):
        raise ProfileError(f"{source} does not hold a profile", hint="kit profile show smoke prints an example")
    return data


def _base(name: object, source: str) -> dict[str, object]:
    """The fields of the profile that another extends: one level, so that two files tell everything."""
    if not isinstance(name, str):
        raise ProfileError(f"{source}: extends must name one profile")
    path = library.base(name, Path(source).parent)
    data = _fields(library.text(path), str(path), {})
    if "extends" in data:
        raise ProfileError(f"{source} extends {path}, which itself extends another", hint="extend one level only")
    return data


def _merged(base: dict[str, object], own: dict[str, object]) -> dict[str, object]:
    """The base's fields under one's own; mappings are merged, anything else is replaced whole."""
    result = dict(base)
    for name, value in own.items():
        below = result.get(name)
        result[name] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def resolved(profile: Profile) -> bytes:
    """The profile as YAML, with everything in it said explicitly."""
    data = profile.model_dump(mode="json", by_alias=True, exclude_none=True)
    data["server"]["env"] = dict(data["server"]["env"])
    data["server"]["container"]["ulimits"] = dict(data["server"]["container"]["ulimits"])
    return str(yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=120, default_flow_style=None)).encode()


def schema() -> dict[str, object]:
    """The JSON schema of profiles, for editors."""
    described = cast(dict[str, dict[str, object]], Profile.model_json_schema(by_alias=True))
    described["properties"]["extends"] = {
        "type": "string",
        "description": "a profile whose fields are taken where none stand here",
    }
    return cast(dict[str, object], described)
