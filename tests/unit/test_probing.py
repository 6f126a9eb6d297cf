"""Trying the server's container before a run: what it may not do is told, and what was not tried."""

from collections.abc import Generator

import pytest

from kit.doctor import Probe, probing
from kit.errors import HostError
from tests.fakes import FakeRuntime, Stage, ends, forever
from tests.unit.sites import Site, site

__all__ = ["site"]

OLD = "warn container engine: Docker 18.09.0"


def test_rights_that_a_container_lacks_are_told(site: Site) -> None:
    site.probe = Probe(threads=False, numa=False)
    assert {
        "fail threads in the container: cannot be started",
        "fail NUMA binding in the container: denied",
    } <= set(site.wrong())
    site.settings = ("server.args.4=[--x]",)
    assert "warn NUMA binding in the container: denied" in site.wrong()


def test_an_old_engine_is_a_doubt_only_while_nothing_was_tried(site: Site) -> None:
    site.probe = Probe(reason="no image")
    assert OLD in site.wrong()
    assert "warn threads in the container: not known (no image)" in site.wrong()


@pytest.mark.parametrize(
    ("line", "probe"),
    [
        (
            'kit-probe {"threads": true, "numa": false, "cpus": "0-3", "reason": ""}',
            Probe(threads=True, numa=False, cpus="0-3", reason=""),
        ),
        ("kit-probe {", Probe(reason="the trial wrote {")),
        (
            "bash: python3: command not found",
            Probe(reason="the trial ended with exit code 3: bash: python3: command not found"),
        ),
    ],
)
def test_what_the_trial_in_a_container_says_is_read(site: Site, line: str, probe: Probe) -> None:
    runtime = FakeRuntime()
    runtime.plays_in_turn("probe", ends(3, line))
    server = (plan := site.plan()).server
    assert server is not None
    assert probing.probe(plan, server, runtime) == probe
    [started] = runtime.started
    assert (started.container, started.mounts, started.port) == (server.program.container, server.program.mounts, None)


def test_a_container_that_the_engine_does_not_start_is_told_before_the_run(site: Site) -> None:
    def refuses(stage: Stage) -> Generator[None, None, int]:
        del stage
        yield
        raise HostError("a limit is beyond what this engine may grant", hint="lower server.container.ulimits")

    runtime = FakeRuntime()
    runtime.plays_in_turn("probe", refuses)
    server = (plan := site.plan()).server
    assert server is not None
    site.probe = probing.probe(plan, server, runtime)
    [check] = [check for check in site.checks() if check.name == "server's container"]
    assert (check.level, check.found) == ("fail", "was not started: a limit is beyond what this engine may grant")
    assert check.remedy == "lower server.container.ulimits"


def test_a_trial_that_never_ends_is_stopped(site: Site) -> None:
    runtime = FakeRuntime()
    runtime.plays_in_turn("probe", forever())
    server = (plan := site.plan()).server
    assert server is not None
    assert probing.probe(plan, server, runtime) == Probe(reason="no answer in 120 s")
    assert runtime.running == []
