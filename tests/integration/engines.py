"""Engines of the tests' own, each with a socket and a store of its own: a second dockerd, and Podman's service."""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
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

    def kill(self) -> None:
        """End it without its knowing: what it started goes on, save a containerd that is its child."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)
        self._process = None
        child = self.data.parent / "exec-root" / "containerd" / "containerd.pid"
        if child.exists():
            gone = Path("/proc", child.read_text().strip())
            # Until it is reaped, the next dockerd takes it for one that runs, and waits for it in vain.
            await_true(lambda: not gone.exists(), "init reaps what the engine left")

    def shims(self) -> list[int]:
        """The processes that hold its containers: one each, which goes on without the engine."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                program, *words = path.read_text("utf-8", errors="replace").split("\0")
                if "containerd-shim" in program and any(word.startswith(str(self.data.parent)) for word in words):
                    found.append(int(path.parent.name))
        return found

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
def own_dockerd(
    network: Path | None = None, size: str | None = None, *options: str, containerd: bool = False
) -> Iterator[OwnEngine]:
    """A second dockerd, in a network of its own or a given one: without a bridge it would take that of the first away.

    With a size, all that it keeps lies on a file system of that size. With `containerd` it uses one that was started beside it,
    as a distribution's service does, instead of a child of its own, which the kernel ends with it.
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
        *((f"--containerd={folder}/containerd.sock",) if containerd else ()),
        *options,
    ]
    made = OwnEngine(folder, argv)
    made.network = network
    try:
        if size is not None:
            made.data.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(made.data)], check=True)
        with _containerd(folder) if containerd else nullcontext(), _ended(made) as engine:
            yield engine
    finally:
        for shim in made.shims():
            _end_tree(shim)
        # It leaves mounts of its own behind.
        for mount in (made.data, *folder.glob("exec-root/netns/*")):
            subprocess.run(["umount", "--recursive", str(mount)], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _end_tree(pid: int) -> None:
    """End a process of an engine that was killed, and what it started."""
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            _end_tree(int(child))
        os.kill(pid, signal.SIGKILL)


@contextmanager
def _containerd(folder: Path) -> Iterator[None]:
    """What dockerd has containers run by, as a service of its own."""
    address = folder / "containerd.sock"
    conf = folder / "containerd.toml"
    conf.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n', "utf-8")
    stores = [f"--root={folder}/containerd-root", f"--state={folder}/containerd-state"]
    argv = ["containerd", f"--config={conf}", f"--address={address}", *stores]
    with open(folder / "containerd.log", "ab") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            await_true(address.exists, f"{address} is there", 60)
            yield
        finally:
            process.terminate()


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
