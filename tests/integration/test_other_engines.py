"""The docker runtime on other engines than the usual one: a dockerd that is restarted in the middle, and Podman."""

import gc
import io
import os
import shutil
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from kit.errors import EnvironmentUnavailableError, HostError, IncompleteError
from kit.model import Container, Environment, Mount, Program
from kit.runtimes.docker import DockerRuntime
from kit.runtimes.docker.engine import OWNER
from tests.image_store import config, docker_save, tar
from tests.integration.driver import await_true, free_port
from tests.integration.engines import OwnEngine, own_dockerd, own_podman

pytestmark = [
    pytest.mark.docker,
    pytest.mark.xdist_group("vendor-images"),
    # The SDK leaves sockets of lost connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(os.geteuid() != 0, reason="engines of the tests' own need root"),
]

TAG = "kit/tools:latest"


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What the SDK left is collected while this module's tests still run."""
    yield
    gc.collect()


def put_busybox(address: str, architecture: str = "amd64") -> str:
    """An image that holds busybox and nothing else, as `kit image load` hands it over; its id."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine] if architecture == "own" else architecture
    busybox = shutil.which("busybox") or pytest.fail("these tests need the package busybox-static")
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(busybox, "bin/busybox", filter=_plain)
        for name in ("sh", "sleep", "true", "httpd", "wget", "cat", "ls"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        place = tarfile.TarInfo("tmp")
        place.type, place.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(place)
    layers = [layer.getvalue()]
    packed = tar(docker_save(config(layers, architecture=machine), [TAG], layers))
    with closing(docker.DockerClient(address)) as client:
        client.images.load(packed)
        return str(client.images.get(TAG).id)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    return entry


def program(image: str, *argv: str, **changes: object) -> Program:
    environment = Environment(name="tools", kind="image", digest=image)
    return Program.model_validate({"name": "server", "environment": environment, "argv": argv, **changes})


def left(address: str) -> list[str]:
    with closing(docker.DockerClient(address)) as client:
        wanted: dict[str, str | list[str] | bool] = {"label": OWNER}
        found = [str(one.name) for one in client.containers.list(all=True, filters=wanted)]
        return found + [str(one.name) for one in client.networks.list(filters=wanted)]


@pytest.fixture
def dockerd(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnEngine]:
    with own_dockerd() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        yield engine


@pytest.fixture(scope="module")
def podman() -> Iterator[OwnEngine]:
    if shutil.which("podman") is None:
        pytest.fail("these tests need the package podman: .ci/docker-engine.sh installs it")
    with own_podman() as engine:
        yield engine


@pytest.fixture(scope="module")
def tools(podman: OwnEngine) -> str:
    return put_busybox(podman.address, "own")


@pytest.fixture
def runtime(podman: OwnEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerRuntime]:
    """The docker runtime on Podman's socket; whatever happens in the test, nothing of kit's is left there."""
    monkeypatch.setenv("DOCKER_HOST", podman.address)
    with closing(DockerRuntime()) as made:
        yield made
    assert left(podman.address) == []


def test_a_restart_of_the_engine_in_the_middle_is_told_as_such(dockerd: OwnEngine, tmp_path: Path) -> None:
    image = put_busybox(dockerd.address, "own")
    wanted = program(image, "sleep", "600", container=Container(network="host"))
    log = tmp_path / "log"
    with (
        closing(DockerRuntime()) as runtime,
        runtime.start(wanted, directory=tmp_path, log=log, secrets={}, on_line=lambda _: None) as running,
    ):
        assert running.exited() is None
        dockerd.end()
        assert running.exited() is None, "an engine that is away is waited for"
        dockerd.start()
        with pytest.raises(IncompleteError, match="restarted in the middle of the run") as told:
            running.wait(60)
        assert "--resume" in told.value.hint
    assert left(dockerd.address) == []


def test_an_image_for_another_platform_is_refused_with_what_would_run_it(dockerd: OwnEngine) -> None:
    put_busybox(dockerd.address, "s390x")
    with closing(DockerRuntime()) as runtime, pytest.raises(EnvironmentUnavailableError) as told:
        runtime.pin("tools", None)
    assert "is for linux/s390x, and linux/" in str(told.value)
    assert "--platform linux/s390x" in told.value.hint


def test_podman_runs_a_server_and_a_load_beside_it(runtime: DockerRuntime, tools: str, tmp_path: Path) -> None:
    port = free_port()
    (own := tmp_path / "raw").mkdir()
    (tmp_path / "index.html").write_text("hello")
    serve = program(tools, "httpd", "-f", "-p", f"0.0.0.0:{port}", "-h", str(tmp_path), port=port)
    load = program(tools, "wget", "-q", "-O", "-", f"http://127.0.0.1:{port}/index.html", name="load", beside="server")
    lines: list[str] = []
    nothing: dict[str, str] = {}
    with runtime.start(
        serve, directory=tmp_path, log=tmp_path / "log", secrets=nothing, on_line=lambda _: None
    ) as server:
        await_true(lambda: _answer(port) == "hello" or server.exited(), "the server answers", 60)
        with runtime.start(
            load, directory=own, log=tmp_path / "load", secrets=nothing, on_line=lines.append
        ) as running:
            ended = running.wait(60)
    assert ended is not None
    assert (ended.code, lines) == (0, ["hello"])


def _answer(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=1) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_podman_hands_a_secret_over_as_a_file(runtime: DockerRuntime, tools: str, tmp_path: Path) -> None:
    wanted = program(tools, "sh", "-c", "cat $KEY_FILE | wc -c; echo $KEY", secrets=("KEY",))
    log = tmp_path / "log"
    with runtime.start(wanted, directory=tmp_path, log=log, secrets={"KEY": "hush"}, on_line=lambda _: None) as running:
        running.wait(60)
    assert log.read_text().split() == ["4"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"mounts": (Mount(path="/no/such/path"),)}, "mount's path is missing", id="mount"),
        pytest.param({"container": Container(devices=("/dev/davinci7",))}, "device is missing", id="device"),
    ],
)
def test_a_refusal_of_podman_has_its_own_message(
    changes: dict[str, object], says: str, runtime: DockerRuntime, tools: str, tmp_path: Path
) -> None:
    wanted = program(tools, "true").model_copy(update=changes)
    with (
        pytest.raises(HostError, match=says),
        runtime.start(wanted, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None),
    ):
        pytest.fail("it started")


def test_what_a_killed_kit_left_in_podman_is_swept_and_nothing_else(
    runtime: DockerRuntime, podman: OwnEngine, tools: str
) -> None:
    dead = f"999999999.1.1.{os.stat('/proc/self/ns/pid').st_ino}"
    with closing(docker.DockerClient(podman.address)) as client:
        client.containers.create(tools, ["sleep", "600"], labels={OWNER: dead}, name="kit-test-left")
        other = client.containers.create(tools, ["sleep", "600"], labels={"someone": "else"})
        try:
            assert runtime.sweep() == ("container kit-test-left",)
            other.reload()
        finally:
            other.remove(force=True)
