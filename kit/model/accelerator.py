"""Accelerators as the machine's own tools describe them."""

from kit.model.fact import Fact
from kit.model.record import Record


class Process(Record):
    """A program that holds memory of a device. None: the tool printed none."""

    pid: int
    name: str | None
    memory_bytes: int | None


class Device(Record):
    """One chip that programs address on its own, with numbers as the tool prints them: they may be sparse.

    `card` and `chip` are what the tool's own options take (NPU ID and Chip ID; the index elsewhere, with chip 0);
    `physical_id` is the number in the device node's name where one is known. `memory_bytes` is measured, never taken from a
    name; `memory_used_bytes` is what was taken when the inventory was collected, before anything was started.
    """

    card: int
    chip: int
    physical_id: Fact[int]
    name: Fact[str]
    series: Fact[str]
    board: Fact[str]
    serial: Fact[str]
    bus_id: Fact[str]
    health: Fact[str]
    memory_bytes: Fact[int]
    memory_used_bytes: Fact[int]
    utilisation_percent: Fact[float]
    power_w: Fact[float]
    power_limit_w: Fact[float]
    temperature_c: Fact[float]
    clock_mhz: Fact[float]
    cores: Fact[int]
    partitions: Fact[tuple[str, ...]]
    processes: Fact[tuple[Process, ...]]


class Topology(Record):
    """How devices are connected: one row per device, in the tool's own words, and the CPUs near each."""

    names: tuple[str, ...]
    links: tuple[tuple[str, ...], ...]
    cpus: tuple[str | None, ...]


class Version(Record):
    """A piece of software that belongs to a family of accelerators: `driver`, `CANN toolkit`."""

    name: str
    version: Fact[str]


class Family(Record):
    """All accelerators of one vendor. No devices and no reason: the tool works and says that there are none."""

    kind: str
    vendor: str
    devices: Fact[tuple[Device, ...]]
    topology: Fact[Topology]
    software: tuple[Version, ...]
    notes: tuple[str, ...]
