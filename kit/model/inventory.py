"""The inventory: what this machine is, as facts that say where they come from."""

from typing import Generic, Literal, Self, TypeVar

from pydantic import model_validator

from kit.model.record import Record, Utc

T = TypeVar("T")


class Fact(Record, Generic[T]):
    """One value read from `source`, or none with the `reason` why it could not be read. Never a guess."""

    value: T | None = None
    source: str
    reason: str | None = None

    @model_validator(mode="after")
    def _told(self) -> Self:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a fact has either a value or the reason why there is none")
        return self


class NumaNode(Record):
    """One NUMA node: its CPUs as the kernel writes them (`0-31`) and its memory in bytes."""

    index: int
    cpus: str
    memory_bytes: int | None


class Cpu(Record):
    """The processors."""

    model: Fact[str]
    architecture: Fact[str]
    sockets: Fact[int]
    physical_cores: Fact[int]
    threads: Fact[int]
    numa_nodes: tuple[NumaNode, ...]


class Memory(Record):
    """Main memory."""

    total_bytes: Fact[int]
    available_bytes: Fact[int]


class System(Record):
    """The software below the engine."""

    os: Fact[str]
    kernel: Fact[str]
    virtualisation: Fact[str]
    python: Fact[str]


class Inventory(Record):
    """Everything collected from one machine at one time."""

    schema_version: Literal[1] = 1
    collected: Utc
    hostname: Fact[str]
    cpu: Cpu
    memory: Memory
    system: System
