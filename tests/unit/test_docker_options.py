"""What is asked of a Docker engine, as values: nothing that the profile did not ask for is granted."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from kit.errors import UsageError
from kit.model import Container, Environment, Mount, Program
from kit.runtimes.docker.engine import Engine
from kit.runtimes.docker.images import DockerImages
from kit.runtimes.docker.options import SECRETS, command_line, create_options, require_no_engine

IMAGE = Environment(name="ftransformers", kind="image", digest="sha256:" + "a" * 64)


def program(**changes: object) -> Program:
    fields = {"name": "server", "environment": IMAGE, "argv": ("serve", "--port", "8001"), "port": 8001, **changes}
    return Program.model_validate(fields)


def test_a_container_gets_the_least_unless_the_profile_asks_for_more() -> None:
    options = create_options(program(), Path("/runs/1/server"), "kit-net", None, {"kit.owner": "1.2.3"}, "7:7")
    assert options.image == IMAGE.digest
    assert options.cap_drop == ("ALL",)
    assert options.security_opt == ("no-new-privileges",)
    assert (options.privileged, options.cap_add, options.devices, options.ulimits) == (False, (), (), ())
    assert options.mounts == (("/runs/1/server", "/runs/1/server", False),)
    assert (options.published, options.network_mode, options.ipc_mode, options.init) == (8001, "kit-net", None, True)


def test_everything_that_ascend_needs_is_handed_over_as_it_is_written() -> None:
    wanted = Container(
        network="host",
        ipc="host",
        shm_size=16 * 2**30,
        devices=("/dev/davinci0", "/dev/davinci_manager"),
        cap_add=("SYS_NICE",),
        security_opt=("seccomp=unconfined",),
        ulimits=(("memlock", "-1"),),
        user="0:0",
        memory=2**40,
        cpus=64.5,
        cpuset="0-63",
        init=False,
    )
    mounts = (Mount(path="/usr/local/dcmi"), Mount(path="/data", writable=True))
    options = create_options(
        program(container=wanted, mounts=mounts, env=(("A", "b"),)), Path("/r"), "host", None, {"kit.owner": "x"}, "0:0"
    )
    assert options.devices == ("/dev/davinci0:/dev/davinci0:rwm", "/dev/davinci_manager:/dev/davinci_manager:rwm")
    assert options.mounts == (
        ("/usr/local/dcmi", "/usr/local/dcmi", True),
        ("/data", "/data", False),
        ("/r", "/r", False),
    )
    assert options.ulimits == (("memlock", -1),)
    assert (options.nano_cpus, options.memory, options.cpuset) == (64_500_000_000, 2**40, "0-63")
    assert (options.ipc_mode, options.shm_size) == ("host", None), "with the host's IPC a size has no effect"
    assert options.published is None, "on the host's network there is nothing to publish"
    assert ("A", "b") in options.environment
    assert options.security_opt == ("no-new-privileges", "seccomp=unconfined")
    assert (options.user, options.init, options.cap_add) == ("0:0", False, ("SYS_NICE",))


def test_the_load_generator_changes_nothing_of_its_image() -> None:
    """What it may write is its own directory, and /tmp in memory."""
    wanted = program(container=Container(read_only=True))
    assert create_options(wanted, Path("/r"), "host", None, {}, "7:7").read_only
    assert "--read-only --tmpfs /tmp" in " ".join(command_line(wanted, None))
    assert not create_options(program(), Path("/r"), "host", None, {}, "7:7").read_only


@pytest.mark.parametrize("name", ["load", "warmup", "calibration"])
def test_a_load_generator_cannot_take_all_processes_of_the_machine(name: str) -> None:
    wanted = program(name=name)
    assert create_options(wanted, Path("/r"), "host", None, {}, "7:7").pids_limit == 4096
    assert "--pids-limit 4096" in " ".join(command_line(wanted, None))


def test_a_server_may_have_as_many_threads_as_it_takes() -> None:
    assert create_options(program(), Path("/r"), "host", None, {}, "7:7").pids_limit is None
    assert "--pids-limit" not in command_line(program(), None)


def test_a_secret_reaches_the_container_as_a_file_and_never_as_a_value() -> None:
    options = create_options(program(secrets=("KIT_API_KEY",)), Path("/r"), "host", Path("/tmp/s"), {}, "7:7")
    assert ("KIT_API_KEY_FILE", f"{SECRETS}/KIT_API_KEY") in options.environment
    assert ("/tmp/s", SECRETS, True) in options.mounts


def test_no_link_and_no_other_name_leads_to_the_engines_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "innocent").symlink_to("/var/run/docker.sock")
    (tmp_path / "engine").touch()
    os.link(tmp_path / "engine", tmp_path / "other-name")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'engine'}")
    for name in ("innocent", "other-name"):
        with pytest.raises(UsageError, match="no container gets the container engine's socket"):
            require_no_engine(program(mounts=(Mount(path=str(tmp_path / name)),)))
    require_no_engine(program(mounts=(Mount(path=str(tmp_path)),)))


def test_privileged_drops_nothing_and_is_visible_in_the_command() -> None:
    wanted = program(container=Container(privileged=True))
    options = create_options(wanted, Path("/r"), "kit-net", None, {}, "7:7")
    assert (options.privileged, options.cap_drop, options.security_opt) == (True, (), ())
    assert "--privileged" in command_line(wanted, None)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        pytest.param(None, ["--publish", "127.0.0.1:8001:8001"], id="private network, published on loopback only"),
        pytest.param("host", ["--network", "host"], id="host network"),
        pytest.param("container:server", ["--network", "container:server"], id="beside the server"),
    ],
)
def test_the_command_line_says_what_the_container_gets(network: str | None, expected: list[str]) -> None:
    words = list(command_line(program(env=(("A", "b c"),), mounts=(Mount(path="/m"),)), network))
    assert words[:3] == ["docker", "run", "--rm"]
    assert " ".join(expected) in " ".join(words)
    assert "--env" in words
    assert "A=b c" in words
    assert "/m:/m:ro" in words
    assert words[-4:] == [IMAGE.digest, "serve", "--port", "8001"]


def test_a_directory_is_mounted_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = create_options(program(), Path("runs/1/server"), "kit-net", None, {}, "7:7")
    whole = str(tmp_path / "runs/1/server")
    assert (options.working_dir, options.mounts) == (whole, ((whole, whole, False),))


@pytest.mark.parametrize(
    ("tagged", "meant"),
    [
        ("2026-11-24T10:00:00.123456789Z", "2026-11-24T10:00:00.123456+00:00"),
        # An image that was loaded was never given a name here: its age is that of its making.
        ("0001-01-01T00:00:00Z", "2026-11-01T00:00:00+00:00"),
        (None, "2026-11-01T00:00:00+00:00"),
    ],
)
def test_the_age_of_an_image_is_since_it_was_named_here_or_made(tagged: str | None, meant: str) -> None:
    found = {
        "Id": "sha256:1",
        "Os": "linux",
        "Architecture": "arm64",
        "Size": 1,
        "Created": "2026-11-01T00:00:00Z",
        "Metadata": {"LastTagTime": tagged},
    }

    class Known:
        @contextmanager
        def patiently(self, _: str) -> Iterator[SimpleNamespace]:
            yield SimpleNamespace(images=SimpleNamespace(get=lambda _: SimpleNamespace(attrs=found)))

    stored = DockerImages(cast(Engine, Known())).find("kit/x:1")
    assert stored is not None
    assert stored.placed is not None
    assert stored.placed.isoformat() == meant
