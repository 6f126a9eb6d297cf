"""What the types of a profile's fields cannot say: names that must exist, and fields that must agree.

Each problem stands at the field that is missing or wrong, never at the other one that it is compared with: so of fields that
are not known, none is told.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator

from kit import secrecy
from kit.engines import ENGINES, flags
from kit.errors import Problem
from kit.loadgens import GENERATORS
from kit.model import Profile
from kit.model.evidence import numbers, ranges
from kit.model.profile import Load, of_engine
from kit.model.rates import CaseKey

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PLACEHOLDERS = ("model", "port", "host")


def check(profile: Profile) -> Iterator[Problem]:
    """Everything about a profile that cannot be as it is, though each of its fields can."""
    engine = ENGINES.get(profile.server.engine)
    if engine is None:
        yield unknown("server.engine", profile.server.engine, ENGINES)
    elif engine.STARTS:
        yield from _check_started(profile)
    else:
        yield from _check_running(profile)
    load, generator = profile.load, GENERATORS.get(profile.load.generator)
    if generator is None:
        yield unknown("load.generator", load.generator, GENERATORS)
    elif doubt := generator.refuse(load.version):
        yield Problem("load.version", f"{load.generator} {load.version}: {doubt}")
    else:
        for said in dict.fromkeys(generator.cannot(case, load.version, load.transport) for case in load.expanded()):
            yield from (Problem("load.cases", said, "use load.transport: precise"),) if said else ()
    yield from _check_rounds(load)
    yield from _check_tokenizer(profile)
    yield from _check_limits(profile)
    if profile.acceptance.tolerance and profile.acceptance.baseline is None:
        yield Problem("acceptance.baseline", "is missing: acceptance.tolerance needs a baseline")
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
    elif server.port is not None and written not in (None, "{port}", str(server.port)):
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


def _check_rounds(load: Load) -> Iterator[Problem]:
    if load.processes != "auto" and load.transport == "evalscope":
        msg = "evalscope sends from one process; only with transport: precise there can be more"
        yield Problem("load.processes", msg)
    if load.until is not None and load.rounds < load.until.least:
        yield Problem("load.rounds", f"at most {load.rounds} are allowed, and {load.until.least} are the fewest")
    seen: dict[CaseKey | str, str] = {}
    for case in load.expanded():
        told = case.shape.prompts if case.shape is not None else None
        # Two files may have one name, or hold the same: that is known when they were read.
        names = (case.key, case.id) if told is None or told.sha256 else (f"{case.key} {told.path}",)
        if twice := next((name for name in names if name in seen), None):
            yield Problem("load.cases", f"the case {case.id} stands here twice (also as {seen[twice]})")
        seen |= dict.fromkeys(names, case.id)


def _check_tokenizer(profile: Profile) -> Iterator[Problem]:
    if not profile.load.tokenizer.strip("/. "):
        yield Problem("load.tokenizer", "is not the directory of a model's tokenizer")
    elif of_engine(os.path.abspath(os.path.expanduser(profile.load.tokenizer))):
        yield Problem("load.tokenizer", "is the container engine's socket or files: no container gets them")
    for name in _placeholders((profile.load.tokenizer,)):
        if name != "model":
            yield Problem("load.tokenizer", f"unknown placeholder {{{name}}}", "there is {model}")
        elif profile.server.url is not None:
            yield Problem("load.tokenizer", "{model} is a model that kit makes, and an endpoint that runs has its own")
        elif not profile.server.make_model:
            yield Problem("server.make_model", "must be true, since {model} stands in load.tokenizer")


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


def unknown(where: str, name: str, known: Iterable[str]) -> Problem:
    """A name that there is not, with the nearest one and all that there are."""
    near = difflib.get_close_matches(name, list(known), n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return Problem(where, f"unknown: {name!r}", f"{meant}there are: {', '.join(known)}")
