"""Engines of the tests' own, each with a socket and a store of its own: a second dockerd, and Podman's service."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
import requests
from docker.errors import DockerException

from tests.integration.driver import await_true

_NETWORK = 0x40000000
"""The kind of namespace that a network is, as the kernel calls it."""
_PODMAN = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
"""Podman asks for the highest limits there are, which a build machine may not grant."""


class OwnEngine:
    """A service that is started, and may be ended and started again."""

    def __init__(self, folder: Path, argv: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
        self.address = f"unix://{folder}/engine.sock"
        self.data = folder / "data-root"
        self.network: Path | None = None
        self._argv = argv
        self._log = folder / "engine.log"
        self._variables = {**os.environ, **(variables or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._variables
            )
        await_true(self._answers, f"{self._argv[0]} answers: {self._log}", 60)

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text("utf-8", errors="replace")[-2000:]
        with suppress(DockerException, requests.exceptions.RequestException):
            client = docker.DockerClient(self.address, timeout=5)
            try:
                return bool(client.ping())
            finally:
                client.close()
        return False


@contextmanager
def own_network() -> Iterator[Path]:
    """A network of its own, by the file that stands for it: with nothing but a loopback, until somebody adds to it."""
    script = "busybox ip link set lo up && echo up && exec sleep infinity"
    with subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"up\n"
            yield Path(f"/proc/{holder.pid}/ns/net")
        finally:
            holder.kill()


@contextmanager
def within(network: Path) -> Iterator[None]:
    """Be in a network with this thread and all that it starts."""
    with open("/proc/thread-self/ns/net", "rb") as before, open(network, "rb") as wanted:
        _enter(wanted.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NETWORK):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def own_dockerd(network: Path | None = None, size: str | None = None) -> Iterator[OwnEngine]:
    """A second dockerd, in a network of its own or a given one: without a bridge it would take that of the first away.

    With a size, all that it keeps lies on a file system of that size.
    """
    folder = _folder()
    argv = [
        *(("nsenter", f"--net={network}") if network is not None else ("unshare", "--net")),
        "dockerd",
        f"--host=unix://{folder}/engine.sock",
        *(f"--{name}={folder}/{name}" for name in ("data-root", "exec-root")),
        f"--pidfile={folder}/pid",
        "--bridge=none",
        "--iptables=false",
        "--ip-masq=false",
    ]
    made = OwnEngine(folder, argv)
    made.network = network
    try:
        if size is not None:
            made.data.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(made.data)], check=True)
        with _ended(made) as engine:
            yield engine
    finally:
        # It leaves mounts of its own behind.
        for name in ("data-root", "exec-root/netns/default"):
            subprocess.run(["umount", "--recursive", f"{folder}/{name}"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_podman() -> Iterator[OwnEngine]:
    """Podman's service, with the socket that speaks as Docker does."""
    folder = _folder()
    conf = folder / "containers.conf"
    conf.write_text(_PODMAN, "utf-8")
    stores = [f"--root={folder}/root", f"--runroot={folder}/run"]
    argv = ["podman", *stores, "system", "service", "--time=0", f"unix://{folder}/engine.sock"]
    try:
        with _ended(OwnEngine(folder, argv, {"CONTAINERS_CONF": str(conf)})) as engine:
            yield engine
    finally:
        subprocess.run(["podman", *stores, "system", "reset", "--force"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    """A folder with a short name: that of a socket in it has a limit."""
    return Path(tempfile.mkdtemp(prefix="kit-engine-", dir="/tmp"))


@contextmanager
def _ended(engine: OwnEngine) -> Iterator[OwnEngine]:
    try:
        engine.start()
        yield engine
    finally:
        engine.end()
