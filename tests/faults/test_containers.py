"""Whole runs in containers while something is taken from them: memory, the network, an image, the engine, its disk."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from kit.errors import KitError
from kit.events import Seen
from kit.inventory import Collected
from kit.running import leftovers
from kit.running.beginning import Prepared
from kit.runtimes import docker as docker_runtime
from kit.runtimes.docker.engine import OWNER
from kit.workflows import running
from tests.faults.bench import finished, light, next_command
from tests.faults.conftest import made_of
from tests.faults.contained import TAGS, Contained, left_in_engine, put, reference
from tests.faults.test_disk import exfat, fill
from tests.integration.driver import await_true
from tests.integration.engines import OwnEngine, own_dockerd, own_network, within

__all__ = ["exfat"]

pytestmark = [
    pytest.mark.docker,
    pytest.mark.xdist_group("docker"),
    # The SDK leaves the socket of a failed connection to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROUNDS = ["10-8-c1/round-1", "10-8-c1/round-2"]


def run(bench: Contained, prepared: Prepared, in_round_2: Callable[[], object]) -> str:
    """What a run says that something happens to when its second round begins; nothing where it went through."""

    def observe(seen: Seen) -> None:
        bench.seen.append(seen)
        if seen.event.kind == "round-start" and seen.event.position == 2:
            in_round_2()

    leftovers.sweep()
    try:
        running.run(prepared, observe, write=light)
    except KitError as error:
        return str(error)
    return ""


def require_told(bench: Contained, said: str, *words: str) -> None:
    """Said on the terminal and in `run.json`, with a remedy; the round that was finished is kept."""
    status = bench.the_run.status()
    assert status.status == "incomplete"
    for word in words:
        assert word in said
        assert word in str(status.reason)
    assert "what to do:" in said
    assert finished(bench.the_run) == ROUNDS[:1]


def require_resumes(bench: Contained) -> None:
    bench.resume()
    assert finished(bench.the_run) == ROUNDS
    assert bench.the_run.status().status == "complete"


def owned(client: docker.DockerClient) -> list[str]:
    """The names of what runs for kit, the server first."""
    found = client.containers.list(filters={"label": OWNER}, ignore_removed=True)
    return [str(one.name) for one in found if one.labels[OWNER].startswith(f"{os.getpid()}.")][::-1]


def test_a_server_that_its_memory_limit_ends_is_told_with_the_limit(contained: Contained) -> None:
    prepared = contained.contained(container="{memory: 32m}")
    with contained.waiting(2):
        said = run(contained, prepared, lambda: (contained.the_run.path / "server" / "eat").touch())
    require_told(contained, said, "the server ended during 10-8-c1/round-2 (ended by the kernel: out of memory)")
    assert "server.container.memory" in said
    assert "32 MiB" in said
    require_resumes(contained)


def test_a_network_that_somebody_removes_costs_nothing(contained: Contained) -> None:
    """The load finds its server on the loopback that they share."""

    def remove() -> None:
        with closing(docker.from_env()) as client:
            (server,) = (client.containers.get(name) for name in owned(client))
            (name,) = server.attrs["NetworkSettings"]["Networks"]
            network = client.networks.get(name)
            network.disconnect(server, force=True)
            network.remove()

    assert run(contained, contained.contained(), remove) == ""
    assert finished(contained.the_run) == ROUNDS


def test_an_image_that_somebody_removes_is_told_and_brought_back(contained: Contained) -> None:
    def remove() -> None:
        with closing(docker.from_env()) as client:
            client.images.remove(TAGS["evalscope"], force=True)

    said = run(contained, contained.contained(), remove)
    require_told(contained, said, "an image is missing", "kit image load FILE")
    with pytest.raises(KitError, match="there is no image"):
        contained.resume()
    put("evalscope")
    require_resumes(contained)


def test_a_run_in_containers_on_a_real_file_system_without_links_and_owners(exfat: Path, contained: Contained) -> None:
    """There the load's directory cannot be given to nobody, and the load runs as kit does."""
    assert run(contained, contained.contained(), lambda: None) == ""
    assert finished(contained.the_run) == ROUNDS
    with pytest.raises(OSError, match="not permitted"):
        os.link(contained.the_run.path / "plan.json", exfat / "linked")


@pytest.fixture(scope="module")
def own_engine() -> Iterator[OwnEngine]:
    """A dockerd of the tests' own, with 64 MiB for all that it keeps."""
    if os.geteuid() != 0:
        pytest.skip("engines of the tests' own need root")
    with own_network() as network, own_dockerd(network, size="64M") as engine:
        yield engine


@pytest.fixture
def on_own_engine(
    own_engine: OwnEngine, tmp_path: Path, machine: Collected, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Contained]:
    yield from bench_on(own_engine, tmp_path, machine, monkeypatch)


def bench_on(engine: OwnEngine, home: Path, machine: Collected, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contained]:
    """A bench in the network of an engine, so that ports which it publishes are there."""
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    monkeypatch.setattr(docker_runtime, "reference", reference)
    assert engine.network is not None
    with within(engine.network):
        yield from made_of(Contained, home, machine, monkeypatch)
    assert left_in_engine() == []


def test_an_engine_that_is_stopped_and_started_in_the_middle_of_a_run(
    on_own_engine: Contained, own_engine: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restart() -> None:
        with closing(docker.from_env()) as client:
            await_true(lambda: len(owned(client)) == 2, "server and load run")
        own_engine.end()
        own_engine.start()

    restarting = threading.Thread(target=restart)
    with on_own_engine.waiting(2):
        said = run(on_own_engine, on_own_engine.contained(), restarting.start)
    restarting.join()
    require_told(on_own_engine, said, "the Docker engine was restarted in the middle of the run")
    assert "kit run --resume" in said
    next_command(monkeypatch)
    require_resumes(on_own_engine)


def test_an_engine_whose_disk_is_full_is_told_as_such(
    on_own_engine: Contained, own_engine: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[Path] = []
    said = run(on_own_engine, on_own_engine.contained(), lambda: filled.append(fill(own_engine.data, 0)))
    filled[0].unlink()
    require_told(on_own_engine, said, "the engine's disk is full")
    next_command(monkeypatch)
    require_resumes(on_own_engine)
