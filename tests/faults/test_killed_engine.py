"""A Docker engine that is killed (SIGKILL) in the middle of a whole run: its containers go on without it."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from kit.inventory import Collected
from kit.runtimes.docker import container
from tests.faults.bench import finished, next_command
from tests.faults.contained import Contained, left_in_engine
from tests.faults.test_containers import ROUNDS, bench_on, owned, require_resumes, require_told, run
from tests.integration.driver import await_true
from tests.integration.engines import OwnEngine, own_dockerd, own_network

pytestmark = [
    pytest.mark.docker,
    pytest.mark.xdist_group("docker"),
    # The SDK leaves the socket of a failed connection to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
RESTART_S = 2.0
"""How long systemd leaves a Docker engine that ended away, as its unit says."""


@pytest.fixture(params=["child", "service"])
def killable(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    """A dockerd whose containerd is its child, and ends with it, or a service of its own, and stays."""
    yield from own_engine(containerd=request.param == "service")


@pytest.fixture
def keeping() -> Iterator[OwnEngine]:
    """A dockerd that lets containers go on when it is started again."""
    yield from own_engine("--live-restore")


def own_engine(*options: str, containerd: bool = False) -> Iterator[OwnEngine]:
    if os.geteuid() != 0:
        pytest.skip("engines of the tests' own need root")
    with own_network() as network, own_dockerd(network, "64M", *options, containerd=containerd) as made:
        yield made


@pytest.fixture
def on_killable(
    killable: OwnEngine, tmp_path: Path, machine: Collected, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Contained]:
    yield from bench_on(killable, tmp_path, machine, monkeypatch)


@pytest.fixture
def on_keeping(
    keeping: OwnEngine, tmp_path: Path, machine: Collected, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Contained]:
    yield from bench_on(keeping, tmp_path, machine, monkeypatch)


def kill(killed: OwnEngine) -> None:
    """Once a server and its load run; both go on."""
    with closing(docker.from_env()) as client:
        await_true(lambda: len(owned(client)) == 2, "server and load run")
    assert len(killed.shims()) == 2
    killed.kill()
    assert len(killed.shims()) == 2


def test_a_killed_engine_that_is_started_at_once(
    on_killable: Contained, killable: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restart() -> None:
        kill(killable)
        time.sleep(RESTART_S)
        killable.start()

    restarting = threading.Thread(target=restart)
    with on_killable.waiting(2):
        said = run(on_killable, on_killable.contained(), restarting.start)
    restarting.join()
    require_told(on_killable, said, "the Docker engine was restarted in the middle of the run")
    assert "kit run --resume" in said
    next_command(monkeypatch)
    assert left_in_engine() == []
    assert killable.shims() == []
    require_resumes(on_killable)


def test_a_killed_engine_that_stays_away(
    on_killable: Contained, killable: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_cleared_up(on_killable, killable, monkeypatch)


def test_a_killed_engine_that_finds_its_containers_running(
    on_keeping: Contained, keeping: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_cleared_up(on_keeping, keeping, monkeypatch)


def require_cleared_up(bench: Contained, killed: OwnEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the engine is away its containers go on, which the next command tells; with the engine back it removes them."""
    monkeypatch.setattr(container, "GONE_S", 3.0)
    killing = threading.Thread(target=kill, args=(killed,))
    with bench.waiting(2):
        said = run(bench, bench.contained(), killing.start)
        killing.join()
        require_told(bench, said, "the Docker engine has not answered for 3 s")
        assert "systemctl start docker" in said
        (told,) = next_command(monkeypatch)
        assert "what a kit left is still there" in told
        assert "start it (systemctl start docker)" in told
        assert len(killed.shims()) == 2
        killed.start()
        assert sum("container" in line for line in next_command(monkeypatch)) == 2
        assert left_in_engine() == []
        assert killed.shims() == []
    require_resumes(bench)


def test_a_killed_engine_that_lets_containers_live_costs_nothing(on_keeping: Contained, keeping: OwnEngine) -> None:
    def restart() -> None:
        kill(keeping)
        time.sleep(RESTART_S)
        keeping.start()
        (on_keeping.tokenizer / "waits-43").unlink()

    restarting = threading.Thread(target=restart)
    (on_keeping.tokenizer / "waits-43").touch()
    assert run(on_keeping, on_keeping.contained(), restarting.start) == ""
    restarting.join()
    assert finished(on_keeping.the_run) == ROUNDS
    assert on_keeping.the_run.status().status == "complete"
    assert keeping.shims() == []
    logs = [path.read_text() for path in on_keeping.the_run.path.glob("cases/*/*/stdout.log")]
    assert logs == ["sending\nsent\n"] * 2
