"""How programs are started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kit.errors import UsageError
from kit.resources import cache, folder

if TYPE_CHECKING:  # this package is imported before every command, pydantic is not
    from kit.ports import Runtime

NAMES = ("process", "docker")


def present() -> tuple[str, ...]:
    """The runtimes that this machine has, as far as that can be seen without asking an engine."""
    docker = "DOCKER_HOST" in os.environ or Path("/var/run/docker.sock").exists()
    return NAMES if docker else ("process",)


def named_platform(variant: str | None) -> tuple[str | None, str | None]:
    """The version and the platform that a profile asks for by naming an image with its suffix, such as
    `ftransformers/3.3.1-arm64`."""
    version, dash, machine = (variant or "").rpartition("-")
    if not dash or machine not in ("amd64", "arm64"):
        return variant, None
    return None if version == "latest" else version, f"linux/{machine}"


def make(
    name: str, platform: str | None = None, images: Path | None = None, environments: Path | None = None
) -> Runtime:
    """The runtime of that name; with images for another platform, such as `linux/arm64`, where that is asked for.

    `images` are the locks that environments are made from, and `environments` the folder that keeps these, where they are not
    kit's own.
    """
    if name == "process":
        if platform is not None:
            raise UsageError("--platform chooses images: it goes with --runtime docker")
        from kit.runtimes.process import ProcessRuntime

        return ProcessRuntime(images or folder("images"), environments or cache())
    if name == "docker":
        from kit.runtimes.docker import DockerRuntime

        return DockerRuntime(platform)
    raise UsageError(f"there is no runtime {name!r}", hint=f"one of: {', '.join(NAMES)}")
