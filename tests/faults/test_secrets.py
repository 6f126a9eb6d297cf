"""Canaries in containers: a load generator that tells its key, in runs that go well, crash, fail or are killed."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import docker
import pytest
from docker.errors import NotFound

from kit.workflows import packing, running
from tests.e2e.test_secrets import ENVIRONMENT, KEY, found
from tests.faults.bench import finished
from tests.faults.contained import TAGS, Contained, left_in_engine
from tests.faults.test_containers import ROUNDS, owned, run
from tests.integration.driver import Done, Kit, Running, await_true
from tests.stub_server import Behaviour, serving

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]
LEFT_OUT = ("--without", "images", "--without", "wheels", "--without", "kit")
HOOK = f"""\
import os, pathlib, time
if os.environ.get("ENDPOINT_KEY"):
    from kit.runtimes import docker
    from kit.runtimes.docker.container import Container
    docker.reference = lambda image, variant, platform: {TAGS!r}[image]
    asked, home = Container.exit, pathlib.Path.cwd()
    def exit(self):
        ended = asked(self)
        if ended is not None and (home / "crashes").exists():
            (home / "crashes").unlink()
            while not (home / "crash").exists():
                time.sleep(0.02)
            raise RuntimeError(f"cannot read {{vars(self)}} with {{os.environ['ENDPOINT_KEY']}}")
        return ended
    Container.exit = exit
"""
"""Lets a kit find the images of these tests; one in whose directory a file `crashes` lies crashes when a container has ended, and
before that is removed."""


def told_by_engine(since: float) -> Iterator[str]:
    """All that the engine tells to whoever may ask it: of every container, stopped or not, and of what happened."""
    with closing(docker.from_env()) as client:
        for one in client.api.containers(all=True):
            # Others use the engine too, and may remove theirs meanwhile.
            with suppress(NotFound):
                yield json.dumps(client.api.inspect_container(one["Id"]))
        for one in client.api.networks():
            with suppress(NotFound):
                yield json.dumps(client.api.inspect_network(one["Id"]))
        yield json.dumps(client.api.volumes())
        yield from map(json.dumps, client.api.events(since=int(since), until=int(time.time()) + 1, decode=True))


def test_a_load_container_that_tells_its_key_leaves_it_nowhere(
    contained: Contained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Report and bundle included; and the engine does not tell it either while the container runs."""
    monkeypatch.setenv("ENDPOINT_KEY", KEY)
    told: list[str] = []
    began = time.time()

    def inspect() -> None:
        with closing(docker.from_env()) as client:
            await_true(lambda: owned(client), "the load runs")
        told.extend(told_by_engine(began))
        contained.sign("waits", 2).unlink()

    inspecting = threading.Thread(target=inspect)
    contained.sign("waits", 2).touch()
    with serving(Behaviour(key=KEY)) as stub:
        assert run(contained, contained.against(stub.url), inspecting.start) == ""
    inspecting.join()
    directory = contained.the_run
    assert finished(directory) == ROUNDS
    running.write_report(directory, running.FORMATS)
    wanted = packing.Wanted(without=("image", "wheel", "kit"))
    packing.make(str(directory.path), contained.out, contained.home / "run.kit", wanted, told.append)
    assert len(list(directory.path.rglob("kept.bin"))) == 2
    assert any("KIT_API_KEY_FILE" in line for line in told)
    assert "a line with *** and ***" in next(directory.path.rglob("stdout.log")).read_text()
    assert found(contained.home, *told, *(str(event) for event in contained.events)) == []


def crashes(bench: Contained, kit: Running, look: Callable[[], None]) -> None:
    """The container has ended, and kit crashes before it removes it."""
    sign = bench.home / "crashes"
    sign.touch()
    bench.sign("waits", 2).unlink()
    await_true(lambda: not sign.exists(), "the load's container has ended")
    look()
    (bench.home / "crash").touch()
    assert kit.finish().code == 1
    assert "RuntimeError: cannot read {'_container': " in "".join(kit.errors)
    assert "a defect of kit" in "".join(kit.errors)


def fails(bench: Contained, kit: Running, look: Callable[[], None]) -> None:
    """The container ends with an error."""
    del look
    bench.sign("fails", 2).touch()
    bench.sign("waits", 2).unlink()
    done = kit.finish()
    assert done.code == 4
    assert "ended with exit code 7: sending / a line with *** and ***" in done.err


def killed(bench: Contained, kit: Running, look: Callable[[], None]) -> None:
    """kit is killed: nothing can be struck out, and the container goes on until the next command."""
    kit.signal(signal.SIGKILL)
    assert kit.finish().code == -signal.SIGKILL
    look()
    assert any(line.startswith("runs/") for line in found(bench.home)), "what the container wrote was searched, too"
    assert any(line.startswith("tmp/") for line in found(bench.home)), "so was the file with the key that it was given"


@pytest.mark.parametrize("end", [crashes, fails, killed])
def test_a_run_in_containers_that_ends_badly_leaves_the_key_nowhere(
    end: Callable[[Contained, Running, Callable[[], None]], None], contained: Contained
) -> None:
    """Once the next command has run; nor does what is made of it, as it is or when it has been gone on with."""
    home, told, began = contained.home, list[str](), time.time()
    (home / "hooked").mkdir()
    (home / "hooked" / "sitecustomize.py").write_text(HOOK)
    path = f"{home / 'hooked'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    env = {**ENVIRONMENT, "PYTHONPATH": path, "TMPDIR": str(home / "tmp")}
    kit = Kit(home, contained.cache)

    def look() -> None:
        told.extend(told_by_engine(began))

    def require(*words: str) -> Done:
        done = kit.run(*words, env=env)
        told.extend((done.out, done.err))
        assert done.code == 0, done.err
        return done

    with serving(Behaviour(key=KEY)) as stub:
        (home / "canary.yaml").write_text(contained.external(stub.url))
        contained.sign("waits", 2).touch()
        with kit.start("run", "canary.yaml", "--runtime", "docker", env=env) as process:
            process.event("round-start", "round 2 of")
            await_true(lambda: list(home.glob("runs/*/cases/*/round-2/raw/kept.bin")), "the load has told its key")
            look()
            end(contained, process, look)
            told.extend((*process.lines, *process.errors))
        contained.sign("waits", 2).unlink(missing_ok=True)
        require("runs")
        look()
        assert left_in_engine() == []
        assert finished(contained.the_run) == ROUNDS[:1]
        require("report", "latest", "--format", "md,docx", "--to", "draft")
        require("bundle", "make", "latest", "-o", "draft.kit", *LEFT_OUT)
        assert found(home, *told) == []
        contained.sign("fails", 2).unlink(missing_ok=True)
        require("run", "--resume", "latest")
        require("bundle", "make", "latest", "-o", "run.kit", *LEFT_OUT)
    look()
    assert finished(contained.the_run) == ROUNDS
    assert len(list(contained.the_run.path.rglob("kept.bin"))) == 3
    assert any("KIT_API_KEY_FILE" in line for line in told)
    assert found(home, *told) == []
