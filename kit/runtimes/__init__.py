"""How programs are started."""

from kit.errors import UsageError
from kit.ports import Runtime
from kit.resources import cache, folder

NAMES = ("process", "docker")


def make(name: str) -> Runtime:
    """The runtime of that name for this machine."""
    if name == "process":
        from kit.runtimes.process import ProcessRuntime

        return ProcessRuntime(folder("images"), cache())
    if name == "docker":
        from kit.runtimes.docker import DockerRuntime

        return DockerRuntime()
    raise UsageError(f"there is no runtime {name!r}", hint=f"one of: {', '.join(NAMES)}")
