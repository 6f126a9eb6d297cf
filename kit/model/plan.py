"""The plan: everything decided before anything starts."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from kit.model.acceptance import Acceptance
from kit.model.cases import Case
from kit.model.machine import Machine
from kit.model.profile import Container, Mount, ReportWords, Secret, Transport
from kit.model.record import Pairs, Record
from kit.model.repeating import Until
from kit.model.result import Doubt
from kit.model.search import Search


class Environment(Record):
    """Where programs come from: a folder of `images/`, pinned by the digest of what it is built from.

    `variant` is the version folder inside, where there are several.
    """

    name: str
    variant: str | None = None
    kind: Literal["lock", "image"]
    digest: str = Field(description="sha256 of the lock and scripts (lock), or the image id (image)")

    @property
    def title(self) -> str:
        return f"{self.name} {self.variant}" if self.variant else self.name


class Grant(Record):
    """What a program needs to use some accelerators and no others.

    In a container: device nodes, mounts, the container runtime that adds the driver, and the variables that this reads
    (`inside`). Without a container: variables alone (`outside`).
    """

    nodes: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    runtime: str | None = None
    inside: Pairs = ()
    outside: Pairs = ()


class Program(Record):
    """One program to start: described here, started by a runtime.

    `argv[0]` is looked up in the environment. `secrets` are names of variables whose values are handed over when the
    program starts and stand in no file. `beside` is the name of a running program whose network it shares. `instrument` is the
    SHA-256 of kit's file of instruments, where the command uses it.
    """

    name: str
    environment: Environment
    argv: tuple[str, ...] = Field(min_length=1)
    env: Pairs = ()
    secrets: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    port: int | None = None
    beside: str | None = None
    instrument: str | None = None
    container: Container = Container()

    @property
    def beyond(self) -> tuple[str, ...]:
        """What the program's container may do beyond the least, as `docker run` writes it."""
        return (*self.container.beyond, *(f"--volume {m.path}:{m.path}" for m in self.mounts if m.writable))


class MadeModel(Record):
    """A model that a program makes once, into a directory that is then reused."""

    directory: str
    program: Program


class Target(Record):
    """Where requests go: the OpenAI-compatible base URL (without `/v1`), the model's name, and where the key is read."""

    url: str
    model: str
    api_key: Secret | None = None

    @property
    def secure(self) -> bool:
        """Whether requests go over TLS."""
        return self.url.startswith("https:")

    @property
    def port(self) -> int:
        """The port that connections go to."""
        return urlsplit(self.url).port or (443 if self.secure else 80)

    def of(self, case: Case) -> "Target":
        """The same for a round of a case: `{case}` in the model's name stands for the case's."""
        return self.model_copy(update={"model": self.model.replace("{case}", case.id)})


class ServerPlan(Record):
    """The server to start and how to know that it is ready."""

    engine: str
    program: Program
    port: int
    health_path: str
    ready_timeout_s: float
    restart: Literal["never", "once"] = "never"
    flush_path: str | None = Field(default=None, description="what empties its prefix cache, before each round")


class Order(Record):
    """What a load generator is asked to send in one round: to whom, what, and with which of its versions."""

    version: str
    # Plans of a time without a choice have none.
    transport: Transport = "evalscope"
    case: Case
    seed: int
    target: Target
    tokenizer: str
    read_timeout_s: float
    # Of the sender; plans of a time without a choice have none, and None leaves it to the sender.
    processes: int | None = None


class RoundPlan(Record):
    """One execution of one case; one to warm up has numbers of its own and enters no figure."""

    round: int = Field(gt=0)
    order: Order
    program: Program
    warmup: bool = False

    @property
    def case(self) -> Case:
        return self.order.case

    @property
    def id(self) -> str:
        return f"{self.case.id}/{'warmup' if self.warmup else 'round'}-{self.round}"


class Plan(Record):
    """What `execute` does, to the last argument: nothing is left to choose.

    `rounds` are all that may be run; with `until` those of a case end where its results make the rest needless, and of the
    cases of `searches` only those are run that decide them. `warmups` come before a case's first round.
    """

    schema_version: Literal[1] = 1
    kit_version: str
    profile: str
    profile_sha256: str
    runtime: Literal["process", "docker"]
    platform: str | None = None
    machine: Machine = Machine()
    devices: tuple[tuple[int, int], ...] = Field(default=(), description="card and chip of each accelerator used")
    report: ReportWords
    acceptance: Acceptance
    engine: str
    engine_version: str | None
    generator: str
    generator_version: str
    tokenizer: str
    trust_remote_code: bool = Field(default=False, description="code beside the tokenizer may run")
    environments: tuple[Environment, ...]
    model: MadeModel | None
    server: ServerPlan | None
    target: Target
    stall_limit_s: float = 600.0
    rounds: tuple[RoundPlan, ...]
    rounds_per_case: int
    until: Until | None = None
    searches: tuple[Search, ...] = ()
    warmups: tuple[RoundPlan, ...] = ()
    caveats: tuple[Doubt, ...] = Field(default=(), description="what a reader must know of every figure of this plan")

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases in their order, each once."""
        return tuple({entry.case.id: entry.case for entry in self.rounds}.values())

    def numbers(self, case: Case) -> tuple[int, ...]:
        """The rounds of a case."""
        return tuple(entry.round for entry in self.rounds if entry.case.id == case.id)
