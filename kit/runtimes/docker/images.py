"""The images of a Docker engine: building, loading, saving, and reading what is in them."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, TypedDict

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils import parse_bytes

from kit import owners
from kit.errors import EnvironmentUnavailableError, HostError, UsageError
from kit.ports import BuildOrder, Progress, StoredImage
from kit.redaction import plain
from kit.runtimes import notes
from kit.runtimes.docker.container import AWAY
from kit.runtimes.docker.creating import remove_unheld
from kit.runtimes.docker.engine import OWNER, Engine

_CHUNK = 1024 * 1024
_BASE = re.compile(r"^Step \d+/\d+ : FROM ", re.IGNORECASE)
_LAYER = re.compile(r"^ ---> ([0-9a-f]{12,64})$")
LIMITS = ("memory", "memory-swap", "cpu-shares", "cpuset-cpus")
"""What a build may be held to, as `docker build` names it."""


class _Limits(TypedDict, total=False):
    memory: int
    memswap: int
    cpushares: int
    cpusetcpus: str


class DockerImages:
    """The images of the engine that `DOCKER_HOST` names, else of the local one."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine or Engine()

    def platform(self) -> str:
        return self._engine.platform()

    def find(self, reference: str) -> StoredImage | None:
        with self._engine.patiently(f"image {reference}") as client:
            try:
                return _stored(client.images.get(reference).attrs)
            except ImageNotFound:
                return None

    def labelled(self, label: str) -> tuple[StoredImage, ...]:
        with self._engine.patiently("images") as client:
            return tuple(_stored(found.attrs) for found in client.images.list(filters={"label": label}))

    def tag(self, identity: str, tag: str) -> None:
        repository, _, name = tag.rpartition(":")
        with self._engine.patiently(f"image {tag}") as client:
            client.api.tag(identity, repository, name, force=True)

    def untag(self, tag: str) -> None:
        with self._engine.patiently(f"image {tag}") as client, suppress(ImageNotFound):
            client.api.remove_image(tag)

    def build(self, order: BuildOrder, progress: Progress) -> str:
        with self._engine.patiently(f"building {order.tag}") as client, open(order.context, "rb") as context:
            said = client.api.build(
                fileobj=context,
                custom_context=True,
                tag=order.tag,
                buildargs=dict(order.arguments),
                labels=dict(order.labels),
                container_limits=_limits(order.limits),
                network_mode="none",
                # What the cache holds was built from inputs that nobody wrote down.
                nocache=True,
                rm=True,
                forcerm=True,
                decode=True,
            )
            _watch(client, said, order.tag, progress)
            return str(client.images.get(order.tag).id)

    def load(self, name: str, content: Iterable[bytes]) -> None:
        with self._engine.patiently(f"loading {name}") as client:
            said: Iterable[Mapping[str, object]] = client.api.load_image(iter(content))  # type: ignore[no-untyped-call]
            for line in said:
                if "error" in line:
                    raise HostError(f"{name} could not be loaded: {line['error']}")

    def pull(self, reference: str, platform: str, progress: Progress) -> None:
        with self._engine.patiently(f"image {reference}") as client:
            progress(f"{reference}: fetching it from its registry")
            # Without a platform, which old engines do not take: a digest may name a list, so what came is looked at.
            for line in client.api.pull(reference, stream=True, decode=True):
                if "error" in line:
                    raise HostError(
                        f"{reference} could not be fetched: {line['error']}", hint="check the name and digest"
                    )
                if line.get("status", "").startswith(("Pull complete", "Status:", "Digest:")):
                    progress(f"{reference}: {line['status']}")
        found = self.find(reference)
        if found is not None and found.platform != platform:
            hint = f"take the digest that the registry shows for {platform}"
            raise UsageError(f"{reference} is for {found.platform}, and {platform} is asked for", hint=hint)

    @contextmanager
    def files(self, identity: str) -> Iterator[IO[bytes]]:
        with self._engine.patiently(f"image {identity}") as client:
            # Never started: a container is the engine's only way to hand out the final file system.
            note, mark = notes.take(notes.DOCKER), owners.fresh()
            try:
                made = client.api.create_container(identity, ["kit"], labels={OWNER: mark}, use_config_proxy=False)
                with _stream(client.api.export(made["Id"], chunk_size=_CHUNK)) as stream:
                    yield stream
            finally:
                # By its label, as an interrupt may come when the engine has made it, and before anybody holds it.
                with suppress(*AWAY, DockerException):
                    remove_unheld(client, f"{OWNER}={mark}")
                    note.drop()

    @contextmanager
    def archive(self, reference: str) -> Iterator[IO[bytes]]:
        with (
            self._engine.patiently(f"saving {reference}") as client,
            _stream(client.api.get_image(reference, chunk_size=_CHUNK)) as stream,
        ):
            yield stream


def _stored(found: Mapping[str, object]) -> StoredImage:
    config, metadata, tags = found.get("Config"), found.get("Metadata"), found.get("RepoTags")
    labels = config.get("Labels") if isinstance(config, dict) else None
    placed = metadata.get("LastTagTime") if isinstance(metadata, dict) else None
    return StoredImage(
        id=str(found["Id"]),
        platform=f"{found['Os']}/{found['Architecture']}",
        size_bytes=int(str(found["Size"])),
        placed=_time(str(placed or "")) or _time(str(found.get("Created") or "")),
        labels=dict(labels or {}),
        tags=tuple(tags) if isinstance(tags, list) else (),
    )


def _time(text: str) -> datetime | None:
    """The engine's nanoseconds are more than Python reads; year 1 is its way to say never."""
    found = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        time = datetime.fromisoformat(found)
    except ValueError:
        return None
    return time if time.year > 1 and time.tzinfo is not None else None


def _limits(wanted: Mapping[str, str]) -> _Limits:
    if unknown := [name for name in wanted if name not in LIMITS]:
        raise UsageError(f"a build cannot be given {unknown[0]!r}", hint=f"one of: {', '.join(LIMITS)}")
    limits = _Limits()
    if "memory" in wanted:
        limits["memory"] = int(parse_bytes(wanted["memory"]))
    if "memory-swap" in wanted:
        limits["memswap"] = int(parse_bytes(wanted["memory-swap"]))
    if "cpu-shares" in wanted:
        limits["cpushares"] = int(wanted["cpu-shares"])
    if "cpuset-cpus" in wanted:
        limits["cpusetcpus"] = wanted["cpuset-cpus"]
    return limits


def _watch(client: docker.DockerClient, said: Iterable[Mapping[str, object]], tag: str, progress: Progress) -> None:
    """Tell the steps of a build, and remove the stages that nothing names afterwards: they hold all wheels."""
    tail: list[str] = []
    stages: list[str] = []
    last: str | None = None
    try:
        for message in said:
            if "error" in message:
                where = " / ".join(tail[-6:])
                hint = "if the Dockerfile is yours, mend it there; otherwise fetch the inputs again"
                raise EnvironmentUnavailableError(f"{tag} was not built: {message['error']}: {where}", hint=hint)
            for raw in str(message.get("stream", "")).splitlines():
                line = plain(raw)
                if not line.strip():
                    continue
                tail = [*tail[-29:], line.strip()]
                if _BASE.match(line) and last is not None:
                    stages.append(last)
                if found := _LAYER.match(line):
                    last = found[1]
                elif line.startswith(("Step ", "kit: ")):
                    progress(f"{tag}: {line}")
    except BaseException:
        stages += [last] if last is not None else []
        raise
    finally:
        for stage in stages:
            with suppress(APIError):
                # An image with a name is not a left-over: it is the base itself.
                if not client.images.get(stage).tags:
                    client.api.remove_image(stage)


@contextmanager
def _stream(chunks: Iterable[bytes]) -> Iterator[IO[bytes]]:
    with io.BufferedReader(_Chunks(chunks), buffer_size=_CHUNK) as stream:
        yield stream
        # To the end of the padding: only then the SDK gives its connection back.
        while stream.read(_CHUNK):
            pass


class _Chunks(io.RawIOBase):
    """Chunks of bytes as a file to read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        memoryview(buffer)[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
