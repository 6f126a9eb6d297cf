"""What is asked of the engine for one program: a value, compared in tests, printed as a command line in the report."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kit.errors import UsageError
from kit.model import Program
from kit.model.profile import of_engine
from kit.runtimes.docker.lending import LOADS

SECRETS = "/run/kit-secrets"
_MOST_TASKS = 4096
"""Processes and threads of a load generator together: with 256 senders, and one thread for each of many processors, half of that."""
_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")


@dataclass(frozen=True, slots=True)
class Options:
    """What to create a container with; `mounts` are (source, target, read-only)."""

    image: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    working_dir: str
    user: str
    network_mode: str
    mounts: tuple[tuple[str, str, bool], ...]
    published: int | None
    devices: tuple[str, ...]
    runtime: str | None
    privileged: bool
    cap_drop: tuple[str, ...]
    cap_add: tuple[str, ...]
    security_opt: tuple[str, ...]
    ulimits: tuple[tuple[str, int], ...]
    ipc_mode: Literal["private", "host"] | None
    shm_size: int | None
    memory: int | None
    nano_cpus: int | None
    cpuset: str | None
    pids_limit: int | None
    init: bool
    read_only: bool


def require_no_engine(program: Program) -> None:
    """Refuse a mount that leads to the engine's socket by a link, or by another name. Raises `UsageError`."""
    sockets = [path for path in (*_SOCKETS, os.environ.get("DOCKER_HOST", "").removeprefix("unix://")) if path]
    for mount in program.mounts:
        real = os.path.realpath(mount.path)
        same = any(os.path.exists(path) and os.path.exists(real) and os.path.samefile(path, real) for path in sockets)
        if same or of_engine(real):
            msg = f"the mount {mount.path} of the {program.name} leads to {real}: no container gets the container engine's socket or files"
            raise UsageError(msg, hint="take it out of server.mounts")


def create_options(
    program: Program, directory: Path, network: str, secrets: Path | None, labels: Mapping[str, str], user: str
) -> Options:
    """The options for one program: nothing that its profile did not ask for is granted."""
    wanted, directory = program.container, directory.absolute()
    own_network = not network.startswith(("host", "container:"))
    return Options(
        image=program.environment.digest,
        command=program.argv,
        # A user that the image does not know has / as its home, where nothing can be written.
        environment=(("HOME", "/tmp"), *program.env, *_secret_variables(program)),
        labels=tuple(labels.items()),
        working_dir=str(directory),
        user=user,
        network_mode=network,
        mounts=_mounts(program, directory, secrets),
        published=program.port if own_network else None,
        devices=tuple(f"{device}:{device}:rwm" for device in wanted.devices),
        runtime=wanted.runtime,
        privileged=wanted.privileged,
        cap_drop=() if wanted.privileged else ("ALL",),
        cap_add=wanted.cap_add,
        security_opt=wanted.security_opt if wanted.privileged else ("no-new-privileges", *wanted.security_opt),
        ulimits=tuple((name, int(limit)) for name, limit in wanted.ulimits),
        ipc_mode="host" if wanted.ipc == "host" else None,
        # With the host's IPC the host's /dev/shm is used, and a size has no effect.
        shm_size=wanted.shm_size if wanted.ipc != "host" else None,
        memory=wanted.memory,
        nano_cpus=int(wanted.cpus * 1e9) if wanted.cpus is not None else None,
        cpuset=wanted.cpuset,
        pids_limit=_tasks(program),
        init=wanted.init,
        read_only=wanted.read_only,
    )


def command_line(program: Program, network: str | None) -> tuple[str, ...]:
    """The same as a `docker run` that a person could type."""
    wanted = program.container
    words = ["docker", "run", "--rm"]
    if network is not None:
        words += ["--network", network]
    elif program.port is not None:
        words += ["--publish", f"127.0.0.1:{program.port}:{program.port}"]
    for device in wanted.devices:
        words += ["--device", device]
    words += ["--runtime", wanted.runtime] if wanted.runtime is not None else []
    for mount in program.mounts:
        words += ["--volume", f"{mount.path}:{mount.path}" + ("" if mount.writable else ":ro")]
    for name, value in program.env:
        words += ["--env", f"{name}={value}"]
    words += ["--ipc", "host"] if wanted.ipc == "host" else []
    words += ["--shm-size", str(wanted.shm_size)] if wanted.shm_size is not None and wanted.ipc != "host" else []
    words += ["--privileged"] if wanted.privileged else ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    for capability in wanted.cap_add:
        words += ["--cap-add", capability]
    for option in wanted.security_opt:
        words += ["--security-opt", option]
    for name, limit in wanted.ulimits:
        words += ["--ulimit", f"{name}={limit}"]
    words += ["--memory", str(wanted.memory)] if wanted.memory is not None else []
    words += ["--cpus", f"{wanted.cpus:g}"] if wanted.cpus is not None else []
    words += ["--cpuset-cpus", wanted.cpuset] if wanted.cpuset is not None else []
    words += ["--pids-limit", str(tasks)] if (tasks := _tasks(program)) is not None else []
    words += ["--user", wanted.user] if wanted.user is not None else []
    words += ["--init"] if wanted.init else []
    words += ["--read-only", "--tmpfs", "/tmp"] if wanted.read_only else []
    return (*words, program.environment.digest, *program.argv)


def _tasks(program: Program) -> int | None:
    """How many it may have; None for an engine, which may have as many as it takes on a machine of any size."""
    return _MOST_TASKS if program.name in LOADS else None


def _secret_variables(program: Program) -> tuple[tuple[str, str], ...]:
    return tuple((f"{name}_FILE", f"{SECRETS}/{name}") for name in program.secrets)


def _mounts(program: Program, directory: Path, secrets: Path | None) -> tuple[tuple[str, str, bool], ...]:
    """The working directory is the only one that is writable unasked."""
    mounts = [(mount.path, mount.path, not mount.writable) for mount in program.mounts]
    if str(directory) not in {mount.path for mount in program.mounts}:
        mounts.append((str(directory), str(directory), False))
    if secrets is not None:
        mounts.append((str(secrets), SECRETS, True))
    return tuple(mounts)
