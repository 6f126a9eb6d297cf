"""The smoke profile in containers: on this machine's own images, from kit's own image, and on arm64 images under emulation."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e import instrument
from tests.integration.driver import Kit, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.docker]
ENGINE = pytest.mark.xdist_group("docker")
NEVER_BESIDE_CARDS = pytest.mark.xdist_group("vendor-images")
"""With the tests that give this machine the device nodes of cards: kit's own image would ask for their state."""

IMAGES = ("llamacpp", "evalscope/1.0.1")
EMULATED_S = 1800.0
"""Long after this a build under emulation is taken as never to end."""
ONE_CASE = "load.cases=[{input: 8, output: 2, concurrency: [1]}]"


def built(kit: Kit, *options: str, images: tuple[str, ...] = IMAGES) -> None:
    """The images that the smoke profile needs, fetched and built; at once where nothing has changed."""
    for verb in ("fetch", "build"):
        done = kit.run("image", verb, *images, *options, patience_s=EMULATED_S)
        assert done.code == 0, done.err


def only_result(run: Path) -> dict[str, object]:
    (path,) = run.glob("cases/*/round-1/result.json")
    found = json.loads(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


@ENGINE
def test_the_smoke_profile_runs_in_containers(kit: Kit) -> None:
    built(kit)
    done = kit.run("run", "smoke", "--runtime", "docker", "--set", f"server.port={free_port()}")
    assert done.code == 0, done.err
    plan = json.loads((kit.the_run / "plan.json").read_text("utf-8"))
    assert {entry["kind"] for entry in plan["environments"]} == {"image"}
    assert len(list(kit.the_run.glob("cases/*/round-*/result.json"))) == 12
    report = (kit.the_run / "report" / "report.md").read_text("utf-8")
    instrument.check(kit.the_run)
    assert "llama.cpp v" in report
    assert "docker run" in report


@ENGINE
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


@NEVER_BESIDE_CARDS
def test_kit_itself_runs_as_an_image(kit: Kit) -> None:
    """As on a host that has Docker and no Python: all that is left of kit there is what its image brings along."""
    built(kit, images=(*IMAGES, "kit"))
    bring = ["docker", "run", "--rm", "--entrypoint", "cat", "kit/kit:latest", "/opt/kit/front.sh"]
    front = kit.home / "front"
    front.write_bytes(subprocess.run(bring, capture_output=True, check=True).stdout)
    one = ("--set", ONE_CASE, "--set", "load.rounds=1", "--set", f"server.port={free_port()}")
    # What kit itself can do is not asked of it here: its Python is another one.
    variables = {"PATH": os.environ["PATH"], "HOME": str(kit.home), "KIT_CACHE": str(kit.cache)}
    variables |= {"NAMED_API_KEY": "short", "KIT_ENV": "NAMED_API_KEY"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        words = ["sh", str(front), *arguments]
        return subprocess.run(
            words, cwd=kit.home, env=variables, capture_output=True, text=True, timeout=EMULATED_S, check=False
        )

    done = run("run", "smoke", "--runtime", "docker", *one)
    assert done.returncode == 0, done.stderr
    figures = only_result(kit.the_run)["figures"]
    assert isinstance(figures, dict)
    assert (figures["requests"], figures["succeeded"]) == (1, 1)
    owner = (kit.the_run / "report" / "report.md").stat()
    assert (owner.st_uid, owner.st_gid) == (os.getuid(), os.getgid())
    listed = run("image", "list")
    assert "llamacpp" in listed.stdout, listed.stderr
    refused = run("run", "no-such-profile")
    assert (refused.returncode, "no-such-profile" in refused.stderr) == (2, True)
    endpoint = (f"server.url=http://127.0.0.1:{free_port()}", "server.model=m", f"load.tokenizer={kit.home}")
    for name, told in (("NAMED_API_KEY", "fewer than 8 characters"), ("OTHER_API_KEY", "name it in KIT_ENV")):
        sets = [word for one in (*endpoint, f"server.api_key={{env: {name}}}") for word in ("--set", one)]
        refused = run("run", "external", *sets)
        assert (refused.returncode, told in refused.stderr) == (3, True), refused.stderr


@ENGINE
@pytest.mark.arm64
@pytest.mark.slow
def test_all_cases_of_the_smoke_profile_run_on_arm64_images(kit: Kit) -> None:
    """Each case once, with other lengths: an emulated processor computes five tokens in a second, and is slow to start."""
    built(kit, "--platform", "linux/arm64")
    shorter = [
        word
        for at, tokens in enumerate((8, 16))
        for word in ("--set", f"load.cases.{at}={{input: {tokens}, output: 2, concurrency: [1, 2, 4]}}")
    ]
    waits = ("--set", "load.rounds=1", "--set", "server.ready_timeout=10m", "--set", "load.read_timeout=10m")
    words = ("run", "smoke", "--runtime", "docker", "--platform", "linux/arm64", "--set", f"server.port={free_port()}")
    done = kit.run(*words, *shorter, *waits, patience_s=EMULATED_S)
    assert done.code == 0, done.err
    results = {
        path.parent.relative_to(kit.the_run / "cases").as_posix(): json.loads(path.read_text("utf-8"))["figures"]
        for path in kit.the_run.glob("cases/*/round-*/result.json")
    }
    assert {name: (found["requests"], found["succeeded"]) for name, found in results.items()} == {
        f"{tokens}-2-c{clients}/round-1": (clients, clients) for tokens in (8, 16) for clients in (1, 2, 4)
    }
    assert json.loads((kit.the_run / "plan.json").read_text("utf-8"))["platform"] == "linux/arm64"
    assert "docker run" in (kit.the_run / "report" / "report.md").read_text("utf-8")
