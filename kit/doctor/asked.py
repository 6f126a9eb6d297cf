"""What a check may look at, and the words in which it answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kit.engines import ENGINES, Engine, flags
from kit.model import Check, Device, Family, Inventory, Plan, ServerPlan
from kit.model.check import Level
from kit.ports import Host


@dataclass(frozen=True, slots=True)
class Probe:
    """What programs may do inside the server's container; None: it could not be found out, for the reason given.

    `refused`: the engine started no such container, for the reason and with the remedy given.
    """

    threads: bool | None = None
    numa: bool | None = None
    cpus: str | None = None
    reason: str = "not tried"
    refused: bool = False
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """The plan that is to run (None: the machine is looked at for itself), and the machine.

    `problems` were met while the plan was made, `busy` tells of another run on this machine, `digests` asks for the
    contents of the weights to be read.
    """

    plan: Plan | None
    inventory: Inventory
    host: Host
    output: Path
    busy: str | None = None
    probe: Probe | None = None
    problems: tuple[Check, ...] = ()
    digests: bool = False
    _args: tuple[tuple[str, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        words = self.plan.server.program.argv if self.plan is not None and self.plan.server is not None else ()
        object.__setattr__(self, "_args", (words,))

    @property
    def server(self) -> ServerPlan | None:
        return self.plan.server if self.plan is not None else None

    @property
    def engine(self) -> Engine | None:
        return ENGINES[self.plan.engine] if self.plan is not None else None

    @property
    def in_container(self) -> bool:
        """Whether the plan's programs run in containers."""
        return self.plan is not None and self.plan.runtime == "docker"

    @property
    def serves_with_cards(self) -> bool:
        """Whether the figures hang on how this machine is tuned: on real cards, or with a model computed on the CPUs."""
        return self.plan is None or self.plan.machine.accelerator is not None or self.flag("cpu_weights") is not None

    def flag(self, meaning: str) -> str | None:
        """The value that the server's command line gives to what `Flags` calls `meaning`."""
        if self.engine is None or self.server is None:
            return None
        names: tuple[str, ...] = getattr(self.engine.FLAGS, meaning)
        written = flags.value(self._args, *names)
        first = self._args[0][len(self.engine.COMMAND) :][:1]
        if written is None and meaning == "weights" and self.engine.FLAGS.positional and first and first[0][0] != "-":
            return first[0]
        return written

    def spelling(self, meaning: str) -> str:
        """How the server's command line spells what `Flags` calls `meaning`."""
        names: tuple[str, ...] = getattr(self.engine.FLAGS, meaning) if self.engine is not None else ()
        return next((name for name in names if flags.value(self._args, name) is not None), meaning)

    def number(self, meaning: str) -> int | None:
        """The same as a whole number."""
        value = self.flag(meaning)
        return int(value) if value is not None and value.isdigit() else None

    def family(self) -> Family | None:
        """The accelerators of the kind that the plan asks for."""
        wish = self.plan.machine.accelerator if self.plan is not None else None
        if wish is None:
            return None
        return next((family for family in self.inventory.accelerators if family.kind == wish.kind), None)

    def devices(self) -> Iterator[tuple[Family, Device]]:
        """The cards that the run would use, or all of this machine where no plan says which."""
        families = self.inventory.accelerators
        if self.plan is not None:
            if self.plan.machine.accelerator is None:
                return
            families = tuple(filter(None, (self.family(),)))
        for family in families:
            for device in family.devices.value or ():
                if self.plan is None or not self.plan.devices or (device.card, device.chip) in self.plan.devices:
                    yield family, device


class Unread(Protocol):
    """A fact of any kind, asked why it has no value."""

    @property
    def reason(self) -> str | None: ...

    @property
    def source(self) -> str: ...


def check(
    name: str, level: Level, found: str, *, needed: str = "", remedy: str = "", commands: Sequence[str] = ()
) -> Check:
    """A finding in the order in which it is read."""
    return Check(name=name, level=level, found=found, needed=needed, remedy=remedy, commands=tuple(commands))


def unread(name: str, fact: Unread, *, needed: str = "") -> Check:
    """What could not be looked at is no proof of anything: a warning with the reason."""
    return check(name, "warn", f"not known ({fact.reason})", needed=needed, remedy=f"see by hand: {fact.source}")
