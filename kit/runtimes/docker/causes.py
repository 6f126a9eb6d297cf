"""What an engine refuses, in kit's words: for every cause what was found, and what to do about it."""

from collections.abc import Mapping

from kit.errors import EnvironmentUnavailableError, HostError


def check_platform(reference: str, found: Mapping[str, object], platform: str) -> None:
    """Refuse an image for another platform than is asked for."""
    has = f"{found['Os']}/{found['Architecture']}"
    if has != platform:
        msg = f"the image {reference} is for {has}, and {platform} is asked for"
        hint = (
            f"kit image build or kit image load one for {platform}, or --platform {has} where this machine emulates it"
        )
        raise EnvironmentUnavailableError(msg, hint=hint)


def translated(error: Exception, what: str) -> HostError:
    """An error of the engine as what was found and what to do."""
    said = str(getattr(error, "explanation", None) or error)
    for pattern, message, hint in _CAUSES:
        if pattern in said.lower():
            return HostError(f"{what}: {message}: {said}", hint=hint)
    return HostError(f"{what}: the Docker engine refused: {said}", hint="see its log (journalctl -u docker)")


_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        "permissionerror(13",
        "this user may not use the Docker socket",
        "add the user to the group docker (usermod -aG docker USER, then log in again), or run kit with sudo",
    ),
    (
        "error while fetching server api version",
        "the Docker engine does not answer",
        "start it (systemctl start docker), or set DOCKER_HOST; without Docker: kit run --runtime process",
    ),
    (
        "connection aborted",
        "the Docker engine does not answer",
        "start it (systemctl start docker), or set DOCKER_HOST",
    ),
    (
        "connection refused",
        "the Docker engine does not answer",
        "start it (systemctl start docker), or set DOCKER_HOST",
    ),
    ("port is already allocated", "the port is taken", "see docker ps for the container, or --set server.port=…"),
    ("address already in use", "the port is taken", "ss -ltnp shows the program, or --set server.port=…"),
    ("bind source path does not exist", "a mount's path is missing", "check server.mounts and load.tokenizer"),
    ("exec format error", "the image is for another platform", "kit image list shows each image's platform"),
    ("error gathering device information", "a device is missing", "check server.container.devices against /dev"),
    (
        "requested cpus are not available",
        "the machine lacks some of the CPUs",
        "correct server.container.cpuset (lscpu shows the CPUs)",
    ),
    (
        "error setting rlimit",
        "a limit is beyond what this engine may grant",
        "lower server.container.ulimits, or give the engine the right (CAP_SYS_RESOURCE)",
    ),
    (
        "container-init binary not found",
        "the engine has no program for server.container.init",
        "install one (for Podman: catatonit), or --set server.container.init=false",
    ),
    # As Podman says it.
    ("stat /dev/", "a device is missing", "check server.container.devices against /dev"),
    ("statfs ", "a mount's path is missing", "check server.mounts and load.tokenizer"),
    ("no such image", "an image is missing", "kit image build, or kit image load FILE"),
    ("no space left on device", "the engine's disk is full", "docker system df shows what takes the room"),
    ("executable file not found", "the image lacks the program", "build the image again: kit image build"),
)
