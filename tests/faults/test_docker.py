"""A Docker engine that goes away, comes back, hangs, or loses what kit made: what is told, and that nothing is left."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import docker
import pytest

from kit import owners
from kit.errors import HostError, IncompleteError
from kit.model import Environment
from kit.running import leftovers
from kit.runtimes import notes
from kit.runtimes.docker import DockerRuntime, container, engine
from tests.integration.driver import await_true
from tests.integration.test_docker_runtime import image, program
from tests.integration.test_docker_runtime import leftovers as containers_left

__all__ = ["image"]

pytestmark = [
    pytest.mark.docker,
    pytest.mark.xdist_group("docker"),
    # The SDK leaves the socket of a failed connection to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ENGINE = "/var/run/docker.sock"


class Proxy:
    """A socket before the engine's own: it can be cut, be opened again, or take requests and never answer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.deaf = False
        self._open: list[socket.socket] = []
        self._listening: socket.socket | None = None
        self.open()

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(32)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def cut(self) -> None:
        """As an engine that has ended: nobody listens, and every connection is broken off."""
        self.path.unlink(missing_ok=True)
        for one in (self._listening, *self._open):
            if one is not None:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._open.clear()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            self._open.append(client)
            if self.deaf:
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(ENGINE)
            self._open.append(server)
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(container, "GONE_S", 3.0)
    made = Proxy(tmp_path / "docker.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{made.path}")
    yield made
    made.cut()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{ENGINE}")
    assert containers_left() == []


def test_an_engine_that_comes_back_in_time_costs_nothing(proxy: Proxy, image: Environment, tmp_path: Path) -> None:
    wanted = program(image, "sh", "-c", "sleep 3; echo done")
    with (
        closing(DockerRuntime()) as runtime,
        runtime.start(wanted, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None) as running,
    ):
        assert running.wait(0.2) is None
        proxy.cut()
        assert running.wait(0.5) is None
        proxy.open()
        ended = running.wait(30.0)
    assert ended is not None
    assert ended.code == 0


def test_an_engine_that_stays_away_ends_the_round_and_the_next_command_removes_what_it_kept(
    proxy: Proxy, image: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = program(image, "sleep", "600")

    def lose() -> None:
        with (
            closing(DockerRuntime()) as runtime,
            runtime.start(
                wanted, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None
            ) as running,
        ):
            proxy.cut()
            running.wait(60.0)

    with pytest.raises(IncompleteError, match="has not answered for 3 s") as told:
        lose()
    assert "kit run --resume" in told.value.hint
    proxy.open()
    assert len(containers_left()) >= 1
    # The next command is another process: for it, the kit of this test has ended.
    own, alive = owners.identity(os.getpid()), owners.alive
    monkeypatch.setattr(owners, "alive", lambda mark: not mark.startswith(f"{own}.") and alive(mark))
    assert any("container" in line for line in leftovers.sweep())
    assert containers_left() == []
    assert notes.left() == ()


def test_a_container_that_somebody_removes_is_told_as_such(proxy: Proxy, image: Environment, tmp_path: Path) -> None:
    del proxy
    wanted = program(image, "sleep", "600")
    with (
        closing(DockerRuntime()) as runtime,
        runtime.start(wanted, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None) as running,
    ):
        with closing(docker.from_env()) as client:
            client.containers.get(containers_left()[0]).remove(force=True)
        with pytest.raises(IncompleteError, match="removed by someone else"):
            running.wait(30.0)


def test_an_engine_that_takes_requests_and_never_answers_has_a_limit(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CALL_S", 1)
    proxy.deaf = True
    began = time.monotonic()
    with closing(DockerRuntime()) as runtime, pytest.raises(HostError):
        runtime.pin("llamacpp", None)
    assert time.monotonic() - began < 60


def test_the_proxy_is_an_engine_while_nothing_is_wrong(proxy: Proxy) -> None:
    del proxy
    with closing(docker.from_env()) as client:
        await_true(client.ping, "the engine answers")
