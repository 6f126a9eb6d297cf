"""The docker runtime against a real engine, with an image that holds busybox and nothing else."""

import gc
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import docker
import pytest

from kit import owners, plan, profile
from kit.engines.failures import COMMON
from kit.errors import EnvironmentUnavailableError, HostError
from kit.host import LocalHost
from kit.inventory.cpu import online
from kit.model import Container, Environment, Mount, Program
from kit.model.evidence import numbers, ranges
from kit.ports import Exit, Running
from kit.running.leftovers import sweep
from kit.runtimes import marks
from kit.runtimes.docker import DockerRuntime
from kit.runtimes.docker.engine import API, OWNER, Engine
from kit.runtimes.docker.images import DockerImages
from tests.integration.driver import await_true, free_port

pytestmark = [
    pytest.mark.docker,
    pytest.mark.xdist_group("docker"),
]

BUSYBOX = shutil.which("busybox")
NOBODY = 65534
SECRET = "Canary-0123456789"
TAG = "kit-test/busybox:latest"


@pytest.fixture(scope="module")
def image() -> Environment:
    """busybox, statically linked, with a shell and the usual tools."""
    if BUSYBOX is None or not _static(BUSYBOX):
        pytest.fail("the docker tests need the package busybox-static")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        archive.add(BUSYBOX, "busybox")
        lines = [
            "FROM scratch",
            "COPY busybox /bin/busybox",
            'RUN ["/bin/busybox", "--install", "/bin"]',
            "ENV PATH=/bin",
        ]
        text = "\n".join(lines).encode()
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    context.seek(0)
    with closing(docker.from_env()) as client:
        built, _ = client.images.build(
            fileobj=context, custom_context=True, tag=TAG, network_mode="none", rm=True, forcerm=True
        )
    return Environment(name="busybox", kind="image", digest=str(built.id))


def _static(path: str) -> bool:
    done = subprocess.run(["ldd", path], capture_output=True, check=False)
    return b"not a dynamic executable" in done.stdout + done.stderr


@pytest.fixture
def runtime() -> Iterator[DockerRuntime]:
    """A runtime; whatever happens in the test, nothing of kit's is left in the engine."""
    with closing(DockerRuntime()) as made:
        yield made
    assert leftovers() == []


def leftovers() -> list[str]:
    """What this process has left in the engine; other kits may use the same engine meanwhile."""
    own = owners.identity(os.getpid())
    wanted: dict[str, str | list[str] | bool] = {"label": OWNER}
    with closing(docker.from_env()) as client:
        containers = [(str(one.name), one.labels) for one in client.containers.list(all=True, filters=wanted)]
        networks = [
            (str(one.name), (one.attrs or {}).get("Labels") or {}) for one in client.networks.list(filters=wanted)
        ]
    return [name for name, labels in (*containers, *networks) if labels.get(OWNER, "").startswith(f"{own}.")]


def program(image: Environment, *argv: str, **changes: object) -> Program:
    return Program.model_validate({"name": "server", "environment": image, "argv": argv, **changes})


def ended(running: Running, patience_s: float = 60.0) -> Exit:
    found = running.wait(patience_s)
    assert found is not None, "the program goes on"
    return found


def output(runtime: DockerRuntime, wanted: Program, directory: Path, secrets: dict[str, str] | None = None) -> str:
    log = directory / "log"
    with runtime.start(wanted, directory=directory, log=log, secrets=secrets or {}, on_line=lambda _: None) as running:
        assert ended(running).code == 0, log.read_text()
    return log.read_text()


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="with one CPU there is nothing to keep apart")
def test_the_load_keeps_off_the_cpus_that_the_server_is_pinned_to(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    cpus = online(LocalHost())
    first, *others = numbers(cpus)
    loaded = profile.load("smoke", [f"server.container.cpuset={first}"])
    made = plan.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime="docker",
        pin=lambda _, __: image,
        models=tmp_path,
        version=lambda _, __: None,
        cpus=cpus,
    )
    assert made.server is not None
    script = "grep Cpus_allowed_list /proc/self/status; sleep 60"
    wanted = [
        asked.model_copy(update={"argv": ("sh", "-c", script), "mounts": (), "port": None})
        for asked in (made.server.program, made.rounds[0].program)
    ]
    with ExitStack() as stack, closing(docker.from_env()) as client:
        found: dict[str, list[str]] = {}
        for asked in wanted:
            log = tmp_path / asked.name
            stack.enter_context(runtime.start(asked, directory=tmp_path, log=log, secrets={}, on_line=lambda _: None))
            await_true(partial(_written, log), f"what the {asked.name} may use was not written")
            found[asked.name] = [log.read_text().split()[-1]]
        own = f"{owners.identity(os.getpid())}."
        for container in client.containers.list(filters={"label": OWNER}):
            if container.labels[OWNER].startswith(own):
                shares = container.attrs["HostConfig"]["NetworkMode"].startswith("container:")
                found["load" if shares else "server"].append(container.attrs["HostConfig"]["CpusetCpus"])
    rest = ranges(others)
    assert found == {"server": [str(first)] * 2, "load": [rest] * 2}


def _written(log: Path) -> bool:
    return log.read_text().endswith("\n")


def test_arguments_are_handed_over_as_they_are(runtime: DockerRuntime, image: Environment, tmp_path: Path) -> None:
    words = ("$HOME; `id`", "a  b", '{"x": [1]}', "'\"|&>")
    assert output(runtime, program(image, "printf", "%s\\n", *words), tmp_path).splitlines() == list(words)


def test_the_engine_bounds_the_processes_of_a_load_generator(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    # Where either version of control groups has it.
    script = "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; true"
    assert output(runtime, program(image, "sh", "-c", script, name="load"), tmp_path).split() == ["4096"]


def test_an_image_that_is_read_only_leaves_its_directory_and_tmp(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    script = "touch here /tmp/there && ! touch /etc/x /usr/x 2>/dev/null && echo kept"
    wanted = program(image, "sh", "-c", script, container={"read_only": True, "user": "0:0"})
    assert output(runtime, wanted, tmp_path).strip() == "kept"
    assert (tmp_path / "here").exists()


def test_a_server_is_reached_through_a_port_on_loopback_only(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "index.html").write_text("hello")
    serve = program(image, "httpd", "-f", "-p", f"0.0.0.0:{port}", "-h", str(tmp_path), port=port)
    with runtime.start(serve, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None):
        await_true(lambda: answers(port), "the server answers")
        ports = subprocess.run(["docker", "ps", "--format", "{{.Ports}}"], capture_output=True, text=True, check=True)
        assert f"127.0.0.1:{port}->" in ports.stdout
        assert f"0.0.0.0:{port}->" not in ports.stdout


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=1) as answer:
            return bool(answer.read() == b"hello")
    except OSError:
        return False


def test_the_load_finds_the_server_on_loopback_as_without_containers(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("hello")
    serve = program(image, "httpd", "-f", "-p", "127.0.0.1:8001", "-h", str(tmp_path))
    fetch = program(image, "wget", "-q", "-O", "-", "http://127.0.0.1:8001/index.html", name="load", beside="server")
    with runtime.start(serve, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None):
        round_ = tmp_path / "round"
        round_.mkdir()
        assert output(runtime, fetch, round_) == "hello"


def test_only_the_working_directory_can_be_written(runtime: DockerRuntime, image: Environment, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    work = tmp_path / "work"
    work.mkdir()
    script = f"echo x > {work}/own && ! echo x > {given}/other 2>/dev/null"
    output(runtime, program(image, "sh", "-c", script, mounts=(Mount(path=str(given)),)), work)
    assert (work / "own").read_text() == "x\n"
    assert list(given.iterdir()) == []
    assert (work / "own").stat().st_uid == os.getuid()


def test_what_a_program_does_to_its_log_leads_kit_to_no_other_file(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    home, other = tmp_path / "home", tmp_path / "of-the-host"
    home.mkdir()
    script = f"ln -sf {other} server.log && for i in 1 2 3 4 5 6 7 8 9; do echo mine; sleep 0.1; done"
    lines: list[str] = []
    with runtime.start(
        program(image, "sh", "-c", script), directory=home, log=home / "server.log", secrets={}, on_line=lines.append
    ) as running:
        assert ended(running).code == 0
    assert lines == ["mine"] * 9
    assert os.readlink(home / "server.log") == str(other)
    assert not other.exists()


def test_the_proxies_of_this_user_are_no_matter_of_a_container(
    image: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = {"httpProxy": f"http://user:{SECRET}@proxy:3128", "httpsProxy": f"http://user:{SECRET}@proxy:3128"}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": proxy}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with closing(DockerRuntime()) as made:
        assert "proxy" not in output(made, program(image, "env"), tmp_path).lower()


def test_a_secret_is_a_file_inside_and_nowhere_else(runtime: DockerRuntime, image: Environment, tmp_path: Path) -> None:
    secret = "canary-0123456789"
    script = "cat $KIT_API_KEY_FILE; echo; sleep 600"
    wanted = program(image, "sh", "-c", script, secrets=("KIT_API_KEY",))
    log = tmp_path / "log"
    with runtime.start(
        wanted, directory=tmp_path, log=log, secrets={"KIT_API_KEY": secret}, on_line=lambda _: None
    ) as running:
        await_true(lambda: "***" in log.read_text(), "the secret was read and struck out")
        assert running.exited() is None
        # Only what this test has: whatever else runs in the engine may be gone in a moment.
        described = subprocess.run(["docker", "inspect", *leftovers()], capture_output=True, text=True, check=True)
        assert secret not in described.stdout
    assert secret not in log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
@pytest.mark.parametrize("mode", [0o755, 0o700], ids=["everybody may read the tokenizer", "only root may"])
def test_a_load_generator_is_not_root_where_what_it_reads_allows_that(
    runtime: DockerRuntime, image: Environment, tmp_path: Path, mode: int
) -> None:
    tokenizer, work = tmp_path / "tokenizer", tmp_path / "work"
    tokenizer.mkdir(mode=mode)
    work.mkdir()
    (work / "before").touch()
    script = f"id -u; ls {tokenizer}; echo x > before; touch after; cat $KEY_FILE"
    wanted = program(image, "sh", "-c", script, name="load", mounts=(Mount(path=str(tokenizer)),), secrets=("KEY",))
    said = output(runtime, wanted, work, {"KEY": "canary-0123456789"}).split()
    assert said == ["65534" if mode == 0o755 else "0", "***"]
    assert {path.name: path.stat().st_uid for path in work.iterdir()} == {"before": 0, "after": 0, "log": 0}


def test_least_privilege(runtime: DockerRuntime, image: Environment, tmp_path: Path) -> None:
    status = output(runtime, program(image, "cat", "/proc/self/status"), tmp_path)
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"


def test_a_capability_that_the_profile_names_is_granted(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    wanted = program(image, "cat", "/proc/self/status", container=Container(cap_add=("SYS_NICE",)))
    status = output(runtime, wanted, tmp_path)
    (bound,) = [line.split()[1] for line in status.splitlines() if line.startswith("CapBnd")]
    assert int(bound, 16) == 1 << 23


def test_running_out_of_memory_is_told_as_such(runtime: DockerRuntime, image: Environment, tmp_path: Path) -> None:
    wanted = program(image, "tail", "/dev/zero", container=Container(memory=16 * 2**20))
    with runtime.start(wanted, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None) as running:
        assert ended(running).out_of_memory
        assert "out of memory" in str(ended(running))


def test_a_program_that_ignores_its_end_is_ended(runtime: DockerRuntime, image: Environment, tmp_path: Path) -> None:
    script = "trap '' TERM; echo up; while true; do sleep 1; done"
    log = tmp_path / "log"
    with runtime.start(
        program(image, "sh", "-c", script), directory=tmp_path, log=log, secrets={}, on_line=lambda _: None
    ):
        await_true(lambda: "up" in log.read_text(), "the program is up")


def test_nothing_is_left_after_an_error_in_the_middle(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    wanted = program(image, "sleep", "600", port=free_port())

    def interrupted() -> None:
        with runtime.start(wanted, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None):
            assert leftovers()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


@pytest.mark.parametrize(
    ("changes", "says", "hint"),
    [
        pytest.param(
            {"argv": ("no-such-program",), "container": Container(init=False)},
            "lacks the program",
            "build",
            id="program",
        ),
        pytest.param(
            {"mounts": (Mount(path="/no/such/path"),)}, "mount's path is missing", "server.mounts", id="mount"
        ),
        pytest.param({"container": Container(devices=("/dev/davinci7",))}, "device is missing", "devices", id="device"),
        pytest.param({"container": Container(cpuset="4000")}, "CPUs", "cpuset", id="cpus"),
    ],
)
def test_a_refusal_has_its_own_message(
    changes: dict[str, object], says: str, hint: str, runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    wanted = program(image, "true").model_copy(update=changes)
    with (
        pytest.raises(HostError) as caught,
        runtime.start(wanted, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None),
    ):
        pytest.fail("it started")
    assert says in str(caught.value)
    assert hint in caught.value.hint


def test_a_port_that_is_taken_is_told_as_such(runtime: DockerRuntime, image: Environment, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = program(image, "sleep", "600", port=taken.getsockname()[1])
        with (
            pytest.raises(HostError, match="the port is taken"),
            runtime.start(wanted, directory=tmp_path, log=tmp_path / "log", secrets={}, on_line=lambda _: None),
        ):
            pytest.fail("it started")


def test_an_image_that_is_missing_is_told_with_what_to_do(runtime: DockerRuntime) -> None:
    with pytest.raises(EnvironmentUnavailableError) as caught:
        runtime.pin("nosuch", "1.2.3")
    assert "kit/nosuch:1.2.3" in str(caught.value)
    assert "kit image build nosuch/1.2.3" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_user_who_may_not_use_the_engine_is_told_how_to_be_allowed() -> None:
    socket_file = Path("/var/run/docker.sock")
    if "DOCKER_HOST" in os.environ or not socket_file.exists() or socket_file.stat().st_mode & 0o006:
        pytest.skip("everybody may use this engine")
    reading, writing = os.pipe()
    # A fork: whoever this becomes may not even read kit's own files.
    if (child := os.fork()) == 0:
        told = "nothing was refused"
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            DockerRuntime().pin("llamacpp", None)
        except HostError as error:
            told = str(error)
        finally:
            os.write(writing, told.encode())
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    assert "this user may not use the Docker socket" in told
    assert "usermod -aG docker USER" in told


def test_a_program_of_another_machine_is_known_by_its_log(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    """The engine starts the container, and the kernel refuses the program."""
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF of no machine that there is")
    path.chmod(0o755)
    wanted = program(image, str(path), container=Container(init=False))
    log = tmp_path / "log"
    with runtime.start(wanted, directory=tmp_path, log=log, secrets={}, on_line=lambda _: None) as running:
        assert ended(running).code != 0
    told = [failure.cause for failure in COMMON if re.search(failure.pattern, log.read_text())]
    assert told == ["the program is for another kind of processor than this machine has"]


# The SDK leaves the socket of a failed connection to the garbage collector, which is made to come before the next test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "where", ["unix:///no/such/docker.sock", "tcp://127.0.0.1:9"], ids=["no socket", "no listener"]
)
def test_a_dead_engine_is_told_with_what_to_do(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", where)
    with closing(DockerRuntime()) as dead, pytest.raises(HostError, match="does not answer"):
        dead.pin("llamacpp", None)
    gc.collect()


def test_what_a_killed_kit_left_is_swept_and_nothing_else(
    runtime: DockerRuntime, image: Environment, tmp_path: Path
) -> None:
    dead = f"999999999.1.1.{os.stat('/proc/self/ns/pid').st_ino}"
    name = f"kit-test-{time.time_ns()}"
    with closing(docker.from_env()) as client:
        client.containers.create(image.digest, ["sleep", "600"], labels={OWNER: dead}, name=name)
        client.networks.create(name, labels={OWNER: dead})
        other = client.containers.create(image.digest, ["sleep", "600"], labels={"someone": "else"})
        try:
            mine = program(image, "sleep", "600")
            log = tmp_path / "log"
            with runtime.start(mine, directory=tmp_path, log=log, secrets={}, on_line=lambda _: None) as alive:
                assert runtime.sweep() == (f"container {name}", f"network {name}")
                assert alive.exited() is None
            other.reload()
        finally:
            other.remove(force=True)


def test_what_a_kit_left_that_was_killed_while_it_read_an_image_the_next_command_removes(
    runtime: DockerRuntime, image: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del runtime  # it looks for leftovers
    monkeypatch.setenv("KIT_CACHE", str(tmp_path))
    monkeypatch.setattr(marks, "sweep", tuple)
    dead = f"1.1.1.{os.stat('/proc/self/ns/pid').st_ino}"
    with monkeypatch.context() as killed:
        killed.setattr(owners, "fresh", lambda: dead)
        reading = DockerImages().files(image.digest)
        assert reading.__enter__().read(1)
    wanted: dict[str, str | list[str] | bool] = {"label": f"{OWNER}={dead}"}
    with closing(docker.from_env()) as client:
        [left] = client.containers.list(all=True, filters=wanted)
        assert sweep() == (f"removed container {left.name}",)
        assert client.containers.list(all=True, filters=wanted) == []
    reading.__exit__(None, None, None)
    assert list((tmp_path / "notes").iterdir()) == []


def test_only_the_old_api_is_spoken() -> None:
    """Docker 18.09, which sites on openEuler 22.03 have, knows nothing newer."""
    with closing(Engine()) as engine:
        assert engine.api == API == "1.39"
