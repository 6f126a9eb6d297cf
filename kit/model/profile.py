"""The profile: the machine expected, the server to start, the load to apply, and how to report."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from kit.model.acceptance import Acceptance
from kit.model.cases import Case, CaseGroup
from kit.model.machine import Machine
from kit.model.record import Bytes, Pairs, Record, Seconds, Text
from kit.model.repeating import Rounds, Until, Warmup, repeated

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_CPUS = r"^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Sockets of container engines by name, and the directories that hold them or all that they keep.
_ENGINE = re.compile(
    r"(?:docker|podman|containerd|crio|buildkitd)[^/]*\.sock/*$"
    r"|^/+(?:var|(?:var/+)?run(?:/+(?:docker|podman|containerd|crio|user(?:/+[0-9]+(?:/+podman)?)?))?"
    r"|var/+lib(?:/+(?:docker|containers|containerd))?)/*$"
)

Language = Literal["zh-CN", "en"]
Transport = Literal["precise", "evalscope"]


class ReportWords(Record):
    """Texts that the report prints as they are; what is left out is filled from what was measured."""

    project: str | None = None
    model: str | None = None
    model_label: str | None = None
    environment: str | None = None
    language: Language = "zh-CN"
    rehearsal: bool = Field(default=False, description="stand-ins take part: the report says so on its first page")


class Secret(Record):
    """Where a secret is read from when the run starts: an environment variable or a file. Never the secret itself."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give either env (the name of a variable) or file (a path)")
        if self.env is not None and not _VARIABLE.fullmatch(self.env):
            raise ValueError("env is the NAME of an environment variable, never the secret itself")
        return self


def _mount(value: object) -> object:
    if not isinstance(value, str):
        return value
    path, _, mode = value.partition(":")
    if mode not in ("", "ro", "rw"):
        raise ValueError(f"{value!r}: write a path, or path:rw; it has the same path in the container")
    return {"path": path, "writable": mode == "rw"}


def of_engine(path: str) -> bool:
    """Whether a path is a container engine's socket, or a directory that holds it or the engine's files."""
    return _ENGINE.search(path) is not None


class Mount(Record):
    """A path of this machine that a program in a container may read, at the same path; read-only unless stated."""

    path: str
    writable: bool = False

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith("/") or "/../" in f"{value}/" or not value.strip("/."):
            raise ValueError(f"{value!r}: an absolute path below / without .. is needed")
        if of_engine(value):
            raise ValueError(f"{value!r}: no container gets the container engine's socket or files: they are root's")
        return value


class Container(Record):
    """What a container gets beyond the least: each thing is granted here or not at all. The process runtime reads nothing of it
    but `cpuset`."""

    network: Literal["private", "host"] = "private"
    ipc: Literal["private", "host"] = "private"
    shm_size: Bytes | None = Field(default=None, gt=0)
    privileged: bool = False
    devices: tuple[str, ...] = ()
    runtime: str | None = Field(default=None, description="a runtime that the engine knows by name, such as nvidia")
    cap_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    ulimits: Pairs = Field(default=(), description="soft and hard limit alike, -1 for none: {memlock: -1}")
    user: str | None = None
    memory: Bytes | None = Field(default=None, gt=0)
    cpus: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    cpuset: Text | None = Field(
        default=None,
        pattern=_CPUS,
        description="the CPUs of the server, such as 0-31,64-95; the load then gets the others",
    )
    init: bool = True
    read_only: bool = Field(default=False, description="the image's files cannot be changed; /tmp is in memory")

    @field_validator("ulimits")
    @classmethod
    def _numbers(cls, value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for name, limit in value:
            if not re.fullmatch(r"-1|[0-9]+", limit):
                raise ValueError(f"{name}: {limit!r} is not a number")
        return value

    @property
    def beyond(self) -> tuple[str, ...]:
        """The rights that go beyond the least, each as `docker run` writes it; limits are no rights."""
        return (
            *(("--privileged",) if self.privileged else ()),
            *(("--network host",) if self.network == "host" else ()),
            *(("--ipc host",) if self.ipc == "host" else ()),
            *(f"--cap-add {name}" for name in self.cap_add),
            *(f"--security-opt {option}" for option in self.security_opt),
            *((f"--runtime {self.runtime}",) if self.runtime else ()),
            *((f"--user {self.user}",) if self.user else ()),
            *(f"--device {path}" for path in self.devices),
        )


class Server(Record):
    """The inference server: one that kit starts (`args`, `port`), or one that already runs (`url`)."""

    engine: str
    version: Text | None = None
    image: str | None = Field(default=None, description="the engine's folder in images/, name or name/version")
    env: Pairs = ()
    port: int | None = Field(default=None, gt=0, lt=65536)
    model: str | None = Field(
        default=None,
        description="the name the server answers to; {case} in it stands for the name of the case, 2k-512-c4",
    )
    make_model: bool = Field(default=False, description="the engine's image makes its model by itself: {model}")
    mounts: tuple[Annotated[Mount, BeforeValidator(_mount, json_schema_input_type=Mount | str)], ...] = ()
    container: Container = Container()
    args: tuple[tuple[Text, ...], ...] = Field(default=(), description="kept in order, passed as argv, never a shell")
    ready_timeout: Seconds = 3600.0
    stall_limit: Seconds = Field(
        default=600.0, gt=0, description="nothing arriving for so long ends a round; must exceed the longest prefill"
    )
    restart: Literal["never", "once"] = Field(
        default="never", description="once: a server that ended or hangs is started again, and its round repeated"
    )
    url: str | None = Field(default=None, description="base URL of an endpoint that already runs")
    api_key: Secret | None = None

    @field_validator("env")
    @classmethod
    def _variables(cls, value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for name, _ in value:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is not a name of an environment variable")
        if len(dict(value)) < len(value):
            raise ValueError("a variable stands here twice")
        return value

    @field_validator("args")
    @classmethod
    def _arguments(cls, value: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if any(not group for group in value):
            raise ValueError("an empty list is not an argument")
        if any("\0" in word for group in value for word in group):
            raise ValueError("an argument cannot hold a NUL character")
        return value


class Load(Record):
    """What the load generator sends. The original test sends as many requests as there are clients, all at once.

    `rounds: auto(2%, max=10)` repeats the rounds of a case `until` the throughput is known that well, 10 times at most.
    """

    generator: str = "evalscope"
    version: Text = "1.0.1"
    transport: Transport = Field(
        default="precise",
        description="precise: kit's own client below the load generator; evalscope: exactly as it comes",
    )
    rounds: Rounds = Field(default=1, gt=0, le=1000)
    until: Until | None = None
    warmup: Warmup = Warmup()
    seed: int = Field(default=42, ge=0, lt=2**31)
    seeds: Literal["shared", "per-case"] = Field(
        default="shared", description="shared: all cases of a round send the same prompts, as the original test"
    )
    tokenizer: str
    trust_remote_code: bool = Field(default=False, description="run code that lies beside the tokenizer")
    requests_per_client: int = Field(default=1, gt=0, le=100_000)
    read_timeout: Seconds = 3600.0
    processes: Literal["auto"] | Annotated[int, Field(gt=0, le=256)] = Field(
        default="auto", description="that send: auto is one per 512 clients, on half of the processors at most"
    )
    cpuset: Text | None = Field(
        default=None, pattern=_CPUS, description="the CPUs of the load generator; none of the server's"
    )
    cases: tuple[CaseGroup, ...] = Field(min_length=1)

    def expanded(self) -> tuple[Case, ...]:
        """Every case in the order of the profile."""
        return tuple(case for group in self.cases for case in group.cases(self.requests_per_client))

    @model_validator(mode="before")
    @classmethod
    def _repeated(cls, value: object) -> object:
        return repeated(value)


class Profile(Record):
    """One YAML file: everything that defines a test, free of anything that depends on the day."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    description: str = ""
    report: ReportWords = ReportWords()
    machine: Machine = Machine()
    server: Server
    load: Load
    acceptance: Acceptance = Acceptance()

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("use lower-case letters, digits, dots and dashes, 80 at most")
        return value
