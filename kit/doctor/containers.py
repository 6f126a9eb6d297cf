"""Checks of the container engine, and of what the server's container is allowed to do."""

import re
from collections.abc import Iterator

from kit.doctor.asked import Asked, check, unread
from kit.model import Check, Plan

_OLDEST = (18, 9)
_CLONE3 = (20, 10, 10)
"""Before this, programs with a newer C library cannot start threads in a container unless seccomp is off."""
_PODMANS = ("not installed", "Podman under Docker's name")
"""Why there is no Docker where Podman is the engine; of a Docker that does not answer Podman is no proof."""
_UNCONFINED = "server.container.security_opt: [seccomp=unconfined]"


def engine(asked: Asked) -> Iterator[Check]:
    """The container engine answers and is not too old."""
    found = asked.inventory.containers.docker
    if asked.plan is not None and not asked.in_container:
        return
    if found.value is None:
        podman = asked.inventory.containers.podman.value
        if asked.plan is not None and "not installed" in str(found.reason) and _pinned(asked.plan):
            # In kit's own image there is no docker command, but the engine itself has told which images it has.
            yield check("container engine", "ok", f"answers; which one is not known ({found.reason})")
        elif asked.plan is None or (podman is not None and any(said in str(found.reason) for said in _PODMANS)):
            level = f"Podman {podman}" if podman else f"no engine ({found.reason})"
            yield check(
                "container engine", "ok" if podman else "warn", level, needed="Docker 18.09 or newer for containers"
            )
        else:
            absent = "not installed" in str(found.reason)
            remedy = (
                "install it, or take --runtime process where the engine has an environment"
                if absent
                else "start it (systemctl start docker), and let kit's user speak to it"
            )
            yield check(
                "container engine",
                "fail",
                f"none ({found.reason})" if absent else f"no answer ({found.reason})",
                needed="Docker 18.09 or newer",
                remedy=remedy,
                commands=() if absent else ("sudo systemctl start docker",),
            )
        return
    number = tuple(int(part) for part in re.findall(r"\d{1,6}", found.value)[:3])
    if number < _OLDEST:
        yield check(
            "container engine", "fail", f"Docker {found.value}", needed="18.09 or newer", remedy="update Docker"
        )
    elif number < _CLONE3 and (asked.probe is None or asked.probe.threads is None):
        remedy = f"if the server says 'can't start new thread': update Docker, or {_UNCONFINED}"
        needed = "20.10.10 or newer for images with a newer C library"
        yield check("container engine", "warn", f"Docker {found.value}", needed=needed, remedy=remedy)
    else:
        yield check("container engine", "ok", f"Docker {found.value}")


def _pinned(plan: Plan) -> bool:
    return any(environment.kind == "image" for environment in plan.environments)


def rights(asked: Asked) -> Iterator[Check]:
    """Threads and binding to NUMA nodes work in a container of the server's image, tried in one."""
    probe = asked.probe
    if not asked.in_container or asked.server is None or probe is None:
        return
    if probe.refused:
        # Missing nodes and mounts are told one by one.
        yield check(
            "server's container",
            "fail",
            f"was not started: {probe.reason}",
            remedy=probe.remedy or "see the engine's log",
        )
        return
    if probe.threads is False:
        remedy = f"update Docker to 20.10.10 or newer, or set {_UNCONFINED}"
        yield check(
            "threads in the container", "fail", "cannot be started", needed="an engine starts many", remedy=remedy
        )
    elif probe.threads:
        yield check("threads in the container", "ok", "can be started")
    else:
        yield check("threads in the container", "warn", f"not known ({probe.reason})")
    binds = asked.flag("cpu_pools") is not None
    needed = "the engine binds its memory to NUMA nodes" if binds else "binding memory to NUMA nodes"
    if probe.numa is False and not asked.serves_with_cards:
        return
    if probe.numa is False:
        remedy = f"set server.container.cap_add: [SYS_NICE], and on Docker before 18.09 {_UNCONFINED}"
        yield check(
            "NUMA binding in the container", "fail" if binds else "warn", "denied", needed=needed, remedy=remedy
        )
    elif probe.numa:
        yield check("NUMA binding in the container", "ok", f"allowed; CPUs {probe.cpus or '?'}", needed=needed)
    elif binds:
        yield check("NUMA binding in the container", "warn", f"not known ({probe.reason})", needed=needed)


def nodes(asked: Asked) -> Iterator[Check]:
    """Device nodes and paths that the server's container is given exist."""
    if not asked.in_container or asked.server is None:
        return
    container, mounts = asked.server.program.container, asked.server.program.mounts
    absent = [node for node in container.devices if not asked.host.exists(node)]
    if absent:
        remedy = "load the driver; ls /dev shows which nodes it made"
        yield check(
            "device nodes", "fail", f"missing: {', '.join(absent)}", needed="those of the container", remedy=remedy
        )
    elif container.devices:
        yield check("device nodes", "ok", f"{len(container.devices)}, all there")
    missing = [mount.path for mount in mounts if not asked.host.exists(mount.path) and not _made(asked, mount.path)]
    if missing:
        remedy = "install what belongs there, or correct server.mounts; the engine mounts nothing that is not there"
        yield check("mounts", "fail", f"missing: {', '.join(missing)}", needed="those of the container", remedy=remedy)
    elif mounts:
        yield check("mounts", "ok", f"{len(mounts)}, all there")


def _made(asked: Asked, path: str) -> bool:
    return asked.plan is not None and asked.plan.model is not None and asked.plan.model.directory == path


def known(asked: Asked) -> Iterator[Check]:
    """What was met while the plan was made."""
    yield from asked.problems


def runtime(asked: Asked) -> Iterator[Check]:
    """The container runtime that the cards need is registered."""
    wanted = asked.server.program.container.runtime if asked.server is not None and asked.in_container else None
    known = asked.inventory.containers.docker_runtimes
    if wanted is None:
        return
    if known.value is None:
        yield unread("container runtime", known, needed=wanted)
    elif wanted not in known.value:
        remedy = f"install the {wanted} container toolkit and register its runtime (docker info lists those it knows)"
        found = f"Docker knows {', '.join(known.value) or 'none'}"
        yield check("container runtime", "fail", found, needed=wanted, remedy=remedy)
    else:
        yield check("container runtime", "ok", wanted)
