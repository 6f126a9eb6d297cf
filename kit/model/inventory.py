"""The inventory: what this machine is, as facts that say where they come from."""

from typing import Literal

from kit.model.accelerator import Family
from kit.model.fact import Fact
from kit.model.record import Record, Utc


class Board(Record):
    """The server as its maker and its firmware name it."""

    vendor: Fact[str]
    product: Fact[str]
    serial: Fact[str]
    bios: Fact[str]


class NumaNode(Record):
    """One NUMA node: its CPUs as the kernel writes them (`0-31`), its memory, and its distance to every node in order."""

    index: int
    cpus: str
    memory_bytes: Fact[int]
    distances: Fact[tuple[int, ...]]


class Cpu(Record):
    """The processors. `flags` are those that matter to inference (SVE, bf16, i8mm, AMX, AVX-512); none is an empty list."""

    model: Fact[str]
    architecture: Fact[str]
    sockets: Fact[int]
    physical_cores: Fact[int]
    threads: Fact[int]
    max_mhz: Fact[float]
    governor: Fact[str]
    flags: Fact[tuple[str, ...]]
    numa_nodes: tuple[NumaNode, ...]


class Dimm(Record):
    """A memory slot. `size_bytes` 0: it is empty. None: the firmware does not say. Speeds in MT/s: rated, and as it runs."""

    locator: str
    bank: str | None
    size_bytes: int | None
    type: str | None
    rated_mts: int | None
    configured_mts: int | None
    manufacturer: str | None
    part_number: str | None


class Channel(Record):
    """A memory channel of a socket, with what is plugged into it."""

    socket: str
    channel: str
    modules: int
    size_bytes: int


class Memory(Record):
    """Main memory. `channels_even`: every channel of every socket holds the same, as full bandwidth wants it."""

    total_bytes: Fact[int]
    available_bytes: Fact[int]
    dimms: Fact[tuple[Dimm, ...]]
    channels: Fact[tuple[Channel, ...]]
    channels_even: Fact[bool]


class Disk(Record):
    """A disk as the kernel lists it."""

    name: str
    size_bytes: int
    model: str | None
    rotates: bool | None
    transport: str | None


class FileSystem(Record):
    """A mounted file system that can hold models."""

    path: str
    device: str
    size_bytes: int
    free_bytes: int


class NetworkCard(Record):
    """A network interface that is hardware. `model` as lspci names it; `speed_mbps` as negotiated."""

    name: str
    model: Fact[str]
    driver: Fact[str]
    mac: Fact[str]
    state: Fact[str]
    speed_mbps: Fact[int]


class Storage(Record):
    """Disks and the room on them."""

    disks: Fact[tuple[Disk, ...]]
    file_systems: Fact[tuple[FileSystem, ...]]


class Containers(Record):
    """The container engines."""

    docker: Fact[str]
    docker_runtimes: Fact[tuple[str, ...]]
    podman: Fact[str]
    # Inventories of the first kits have none.
    podman_runtime: Fact[str] = Fact(source="podman info", reason="the kit of that time did not ask")


class System(Record):
    """The software below the engine. `clock_synchronised`: whether the wall clock follows a time server."""

    os: Fact[str]
    kernel: Fact[str]
    command_line: Fact[str]
    virtualisation: Fact[str]
    hugepages: Fact[int]
    hugepage_bytes: Fact[int]
    transparent_hugepages: Fact[str]
    numa_balancing: Fact[str]
    swappiness: Fact[int]
    clock_synchronised: Fact[bool]
    python: Fact[str]


class Inventory(Record):
    """Everything collected from one machine at one time.

    `fingerprint` is the SHA-256 of the facts that affect performance: equal for equal machines, and for the same one later.
    """

    schema_version: Literal[1] = 1
    collected: Utc
    hostname: Fact[str]
    board: Board
    cpu: Cpu
    memory: Memory
    accelerators: tuple[Family, ...]
    storage: Storage
    network: Fact[tuple[NetworkCard, ...]]
    system: System
    containers: Containers
    fingerprint: str
