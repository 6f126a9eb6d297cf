"""What engines were seen to say, and what kit makes of it."""

import pytest
from docker.errors import APIError, DockerException

from kit.errors import EnvironmentUnavailableError
from kit.runtimes.docker.causes import check_platform, translated

_FETCHING = "Error while fetching server API version: ('Connection aborted.', {})"


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (_FETCHING.format("PermissionError(13, 'Permission denied')"), "may not use the Docker socket", "usermod"),
        (_FETCHING.format("FileNotFoundError(2, 'No such file or directory')"), "does not answer", "--runtime process"),
        (_FETCHING.format("ConnectionRefusedError(111, 'Connection refused')"), "does not answer", "DOCKER_HOST"),
        ('invalid mount config for type "bind": bind source path does not exist: /x', "mount's path", "server.mounts"),
        ("container create: statfs /x: no such file or directory", "mount's path", "server.mounts"),
        ('error gathering device information while adding custom device "/dev/d7"', "device is missing", "/dev"),
        ("container create: stat /dev/d7: no such file or directory", "device is missing", "/dev"),
        ("Bind for 127.0.0.1:80 failed: port is already allocated", "port is taken", "docker ps"),
        ("listen tcp4 127.0.0.1:80: bind: address already in use", "port is taken", "ss -ltnp"),
        ("exec /bin/sh: exec format error", "another platform", "kit image list"),
        ("error setting rlimit type 7: operation not permitted: OCI permission denied", "a limit", "ulimits"),
        ("container-init binary not found on the host: stat /usr/libexec/podman/catatonit", "init", "catatonit"),
        ("write /var/lib/docker/tmp/x: no space left on device", "disk is full", "docker system df"),
    ],
)
def test_every_refusal_has_its_own_message(said: str, message: str, hint: str) -> None:
    for error in (DockerException(said), APIError("500 Server Error", explanation=said)):
        told = translated(error, "server")
        assert str(told).startswith("server: ")
        assert message in told.message
        assert said in told.message, "the engine's own words stay"
        assert hint in told.hint


def test_what_is_not_known_keeps_the_engines_words() -> None:
    told = translated(APIError("500 Server Error", explanation="something new"), "server")
    assert "the Docker engine refused: something new" in str(told)


def test_an_image_for_another_platform_is_refused() -> None:
    found = {"Os": "linux", "Architecture": "arm64"}
    check_platform("kit/x:1", found, "linux/arm64")
    with pytest.raises(EnvironmentUnavailableError, match="is for linux/arm64, and linux/amd64 is asked for"):
        check_platform("kit/x:1", found, "linux/amd64")
