"""The smoke profile in containers: on this machine's own images, and on arm64 images under emulation."""

import json
from pathlib import Path

import pytest

from tests.integration.driver import Kit, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.xdist_group("docker")]

IMAGES = ("llamacpp", "evalscope/1.0.1")
ONE_CASE = "load.cases=[{input: 8, output: 2, concurrency: [1]}]"


def built(kit: Kit, *options: str) -> None:
    """The images that the smoke profile needs, fetched and built; at once where nothing has changed."""
    for verb in ("fetch", "build"):
        done = kit.run("image", verb, *IMAGES, *options)
        assert done.code == 0, done.err


def only_result(run: Path) -> dict[str, object]:
    (path,) = run.glob("cases/*/round-1/result.json")
    found = json.loads(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_the_smoke_profile_runs_in_containers(kit: Kit) -> None:
    built(kit)
    done = kit.run("run", "smoke", "--runtime", "docker", "--set", f"server.port={free_port()}")
    assert done.code == 0, done.err
    plan = json.loads((kit.the_run / "plan.json").read_text("utf-8"))
    assert {entry["kind"] for entry in plan["environments"]} == {"image"}
    assert len(list(kit.the_run.glob("cases/*/round-*/result.json"))) == 12
    report = (kit.the_run / "report" / "report.md").read_text("utf-8")
    assert "llama.cpp v" in report
    assert "docker run" in report


def test_what_the_servers_container_may_do_is_tried_in_one(kit: Kit) -> None:
    built(kit)
    port = ("--set", f"server.port={free_port()}")
    granted = kit.run("doctor", "smoke", "--runtime", "docker", *port, "--set", "server.container.cap_add=[SYS_NICE]")
    assert granted.code == 0, granted.out
    assert "ok    threads in the container: can be started" in granted.out
    assert "ok    NUMA binding in the container: allowed; CPUs " in granted.out
    plain = kit.run("doctor", "smoke", "--runtime", "docker", *port, "--json")
    assert '"NUMA binding in the container"' not in plain.out
    refused = kit.run("doctor", "smoke", "--runtime", "docker", *port, "--set", "server.container.cap_add=[NOTHING]")
    assert refused.code == 3
    assert "FAIL  server's container: was not started" in refused.out


@pytest.mark.arm64
@pytest.mark.slow
def test_the_smoke_profile_runs_on_arm64_images(kit: Kit) -> None:
    built(kit, "--platform", "linux/arm64")
    smaller = ("--set", ONE_CASE, "--set", "load.rounds=1", "--set", "server.ready_timeout=10m")
    waits = ("--set", "load.read_timeout=10m", "--set", f"server.port={free_port()}")
    done = kit.run("run", "smoke", "--runtime", "docker", "--platform", "linux/arm64", *smaller, *waits)
    assert done.code == 0, done.err
    figures = only_result(kit.the_run)["figures"]
    assert isinstance(figures, dict)
    assert (figures["requests"], figures["succeeded"]) == (1, 1)
