"""Judging, before anything starts, whether this machine can run a plan: a table of checks, each found, needed, what to do."""

from collections.abc import Callable, Iterable, Iterator

from kit.doctor import cards, containers, load, machine, models, room
from kit.doctor.asked import Asked, Probe, check
from kit.doctor.probing import probe
from kit.errors import HostError, Problem
from kit.model import Check

__all__ = ["CHECKS", "Asked", "Probe", "examine", "fixes", "probe", "require"]

CHECKS: tuple[Callable[[Asked], Iterator[Check]], ...] = (
    machine.alone,
    machine.architecture,
    cards.present,
    cards.use,
    cards.health,
    cards.compatibility,
    containers.known,
    containers.engine,
    containers.runtime,
    containers.rights,
    containers.nodes,
    room.port,
    room.hccl,
    load.files,
    load.caveats,
    models.whole,
    models.tokenizer,
    models.tokenizer_code,
    models.on_cards,
    machine.memory,
    machine.channels,
    room.output,
    machine.threads,
    machine.pools,
    machine.governor,
    machine.numa_balancing,
    machine.clock,
)


def examine(asked: Asked) -> tuple[Check, ...]:
    """All checks, whatever the first of them say."""
    return tuple(found for look in CHECKS for found in _seen(look, asked))


def _seen(look: Callable[[Asked], Iterator[Check]], asked: Asked) -> Iterator[Check]:
    try:
        yield from look(asked)
    except PermissionError as error:
        remedy = "let kit's user read it, and enter the folders above it"
        yield check(f"path {error.filename}", "fail", error.strerror or "cannot be reached", remedy=remedy)


def require(checks: Iterable[Check], what: str, *, force: bool = False) -> None:
    """Raise `HostError` with everything that stands in the way; with `force`, of what nobody may force."""
    problems = [_problem(check) for check in checks if check.level == "fail" and not (force and check.forcible)]
    if problems:
        hint = "kit doctor shows all checks; kit run --force goes on all the same, and the report says so"
        hint = "kit doctor shows all checks; these cannot be forced" if force else hint
        raise HostError(f"this machine cannot run {what} as it is", problems=problems, hint=hint)


def _problem(check: Check) -> Problem:
    needed = f"; needed: {check.needed}" if check.needed else ""
    return Problem(check.name, f"{check.found}{needed}", check.remedy)


def fixes(checks: Iterable[Check]) -> tuple[str, ...]:
    """The shell lines that would mend what is not right, each once."""
    return tuple(dict.fromkeys(line for check in checks if check.level != "ok" for line in check.commands))
