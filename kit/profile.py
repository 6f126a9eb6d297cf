"""Reading profiles: YAML with positions, settings from the command line, and every problem at once."""

import difflib
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kit import beside, documents, library, secrecy
from kit.beside import Contents
from kit.engines import ENGINES, flags
from kit.errors import Problem, ProfileError
from kit.loadgens import GENERATORS
from kit.model import Profile
from kit.model.evidence import numbers, ranges
from kit.model.profile import of_engine

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PLACEHOLDERS = ("model", "port", "host")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A profile, its source, the digest of it resolved, settings included, and the bytes of its baseline and its prompts."""

    profile: Profile
    source: str
    sha256: str
    baseline: bytes | None = None
    prompts: Contents = field(default_factory=dict)


def load(reference: str, settings: Sequence[str] = ()) -> Loaded:
    """Read, set, validate and check a profile, with the files that it names. Raises `ProfileError` with all its problems."""
    path = library.find(reference)
    loaded = parse(library.text(path), str(path), settings)
    pinned, contents = beside.prompts(loaded.profile, path.parent)
    if contents:
        loaded = alone(resolved(pinned).decode(), str(path))
    return replace(loaded, baseline=beside.baseline(loaded.profile, path.parent), prompts=contents)


def parse(text: str, source: str, settings: Sequence[str] = ()) -> Loaded:
    """The profile that `text` describes, after `settings` of the form `path=value`."""
    lines: dict[documents.Place, int] = {}
    data = _fields(text, source, lines)
    if (base := data.pop("extends", None)) is not None:
        data = _merged(_base(base, source), data)
    given = {documents.set_value(data, setting) for setting in settings}
    return validated(data, source, lines, given)


def alone(text: str, source: str) -> Loaded:
    """A profile that stands for itself, as `resolved` writes it: it extends none of this machine."""
    lines: dict[documents.Place, int] = {}
    return validated(_fields(text, source, lines), source, lines)


def validated(
    data: dict[str, object],
    source: str,
    lines: Mapping[documents.Place, int],
    given: Collection[documents.Place] = (),
) -> Loaded:
    """The profile with these fields, of which `lines` tells where they stand, and `given` which came from settings.

    Raises `ProfileError` with all problems.
    """
    try:
        profile = Profile.model_validate(data)
    except ValidationError as error:
        wrong = error.errors()
        problems = [
            _problem(found, lines, given)
            for found in wrong
            # A list whose entries are all wrong is also called too short: that tells nothing more.
            if found["type"] != "too_short"
            or not any(other["loc"][:-1][: len(found["loc"])] == found["loc"] for other in wrong)
        ]
        raise ProfileError(f"{source} is not a valid profile", problems=problems) from error
    if problems := list(check(profile)):
        raise ProfileError(f"{source} is not a valid profile", problems=problems)
    stored = resolved(profile)
    return Loaded(profile, source, f"sha256:{hashlib.sha256(stored).hexdigest()}")


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


# --- checks ------------------------------------------------------------------------------------------------------


def check(profile: Profile) -> Iterator[Problem]:
    """What the fields' types cannot say: names that must exist, and fields that must agree."""
    engine = ENGINES.get(profile.server.engine)
    if engine is None:
        yield _unknown("server.engine", profile.server.engine, ENGINES)
    elif engine.STARTS:
        yield from _check_started(profile)
    else:
        yield from _check_running(profile)
    load, generator = profile.load, GENERATORS.get(profile.load.generator)
    if generator is None:
        yield _unknown("load.generator", load.generator, GENERATORS)
    elif doubt := generator.refuse(load.version):
        yield Problem("load.version", f"{load.generator} {load.version}: {doubt}")
    else:
        for said in dict.fromkeys(generator.cannot(case, load.version, load.transport) for case in load.expanded()):
            yield from (Problem("load.cases", said, "use load.transport: precise"),) if said else ()
    yield from _check_tokenizer(profile)
    yield from _check_limits(profile)
    yield from secrecy.check(profile)
    if shared := set(numbers(load.cpuset or "")) & set(numbers(profile.server.container.cpuset or "")):
        msg = f"the server has CPU {ranges(shared)} too (server.container.cpuset), and the load must not slow it down"
        yield Problem("load.cpuset", msg, "leave it out: the load then gets all CPUs that the server does not have")


def _check_started(profile: Profile) -> Iterator[Problem]:
    server, engine = profile.server, ENGINES[profile.server.engine]
    for name, value in (("image", server.image), ("port", server.port), ("args", server.args or None)):
        if value is None:
            yield Problem(f"server.{name}", f"is missing: {engine.TITLE} is started by kit")
    for name, wrong in (("url", server.url), ("api_key", server.api_key)):
        if wrong is not None:
            yield Problem(f"server.{name}", "only an endpoint that already runs has one", "use engine: endpoint")
    written = flags.value(server.args, *engine.PORT_FLAGS)
    if server.args and written is None:
        yield Problem("server.args", f"{engine.PORT_FLAGS[0]} is missing", f"add [{engine.PORT_FLAGS[0]}, '{{port}}']")
    elif written not in (None, "{port}", str(server.port)):
        yield Problem("server.args", f"{engine.PORT_FLAGS[0]} {written} is not server.port {server.port}")
    if server.args and server.model is None and not any(flags.value(server.args, name) for name in engine.MODEL_FLAGS):
        yield Problem("server.model", f"is missing, and server.args has none of {', '.join(engine.MODEL_FLAGS)}")
    for position, group in enumerate(server.args):
        for name in _placeholders(group):
            if name not in _PLACEHOLDERS:
                yield Problem(
                    f"server.args.{position}", f"unknown placeholder {{{name}}}", "there are {model}, {port}, {host}"
                )
    if not server.make_model and any("model" in _placeholders(group) for group in server.args):
        yield Problem("server.make_model", "must be true, since {model} stands in server.args")


def _check_running(profile: Profile) -> Iterator[Problem]:
    server = profile.server
    for name, value in (("url", server.url), ("model", server.model)):
        if value is None:
            yield Problem(
                f"server.{name}", "is missing: an endpoint that already runs needs it", f"--set server.{name}=…"
            )
    if server.url is not None and not re.fullmatch(r"https?://[^\s/@]+(/[^\s@]*)?", server.url):
        yield Problem("server.url", "is not a URL such as http://127.0.0.1:8001", "no user or password belongs in it")
    for name, wrong in (
        ("image", server.image),
        ("port", server.port),
        ("args", server.args or None),
        ("env", server.env or None),
        ("make_model", server.make_model or None),
        ("restart", None if server.restart == "never" else server.restart),
    ):
        if wrong is not None:
            yield Problem(f"server.{name}", "an endpoint that already runs has none")


def _check_tokenizer(profile: Profile) -> Iterator[Problem]:
    if not profile.load.tokenizer.strip("/. "):
        yield Problem("load.tokenizer", "is not the directory of a model's tokenizer")
    elif of_engine(os.path.abspath(os.path.expanduser(profile.load.tokenizer))):
        yield Problem("load.tokenizer", "is the container engine's socket or files: no container gets them")
    for name in _placeholders((profile.load.tokenizer,)):
        if name != "model":
            yield Problem("load.tokenizer", f"unknown placeholder {{{name}}}", "there is {model}")
        elif not profile.server.make_model:
            yield Problem("load.tokenizer", "{model} is the model that kit makes, and server.make_model is not true")


def _check_limits(profile: Profile) -> Iterator[Problem]:
    """Who writes 50 for a time may mean seconds or milliseconds, and would not see which was taken."""
    finds = {f"load.cases.{number}.find": group.find for number, group in enumerate(profile.load.cases)}
    found = {"acceptance": profile.acceptance, **finds}
    for where, criteria in found.items():
        for position, limit in enumerate(criteria.limits if criteria is not None else ()):
            if limit.in_seconds_unsaid:
                yield Problem(f"{where}.limits.{position}", f"{limit.limit!r} has no unit", "write s or ms behind it")


def _placeholders(words: Iterable[str]) -> list[str]:
    # JSON in an argument has braces too, but never around a bare word.
    return [name for word in words for name in _PLACEHOLDER.findall(word)]


def _unknown(where: str, name: str, known: Iterable[str]) -> Problem:
    near = difflib.get_close_matches(name, list(known), n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return Problem(where, f"unknown: {name!r}", f"{meant}there are: {', '.join(known)}")


def _problem(found: ErrorDetails, lines: Mapping[documents.Place, int], given: Collection[documents.Place]) -> Problem:
    """What pydantic found, with the place in the file, or that it came from the command line."""
    loc, kind = found["loc"], found["type"]
    place = ".".join(str(part) for part in loc)
    known = next((lines[loc[:length]] for length in range(len(loc), 0, -1) if loc[:length] in lines), None)
    if any(documents.covers(path, loc) for path in given):
        place += " (from --set)"
    elif known is not None:
        place += f" (line {known})"
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


def _fields_at(loc: documents.Place) -> list[str]:
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
