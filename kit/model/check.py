"""Checks of a machine before a run: what was found, what is needed, and what to do."""

from typing import Literal

from kit.model.record import Record, Utc

Level = Literal["ok", "warn", "fail"]


class Check(Record):
    """One finding. `commands` are shell lines that would mend it; kit prints them and runs none.

    What fails and is not `forcible` stops a run also where it is told to go on.
    """

    name: str
    level: Level
    found: str
    needed: str = ""
    remedy: str = ""
    commands: tuple[str, ...] = ()
    forcible: bool = True


class Preflight(Record):
    """All checks before one attempt at a run; `forced`: it went on although some of them failed."""

    schema_version: Literal[1] = 1
    at: Utc
    forced: bool
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.level == "fail")
