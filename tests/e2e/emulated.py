"""A machine that looks like the original report's to whoever asks it: recordings in place of its tools, and the nodes of its cards.

Tools are programs on PATH that print recordings; a few files of the kernel and of the system are recordings too, seen by kit alone,
in a mount namespace of its own. What a container is given must be on the machine itself: device nodes (of the null device), the
driver's files, and the model. All of that is removed again. Needs root.
"""

import json
import os
import shlex
import shutil
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import ascend_host

MODEL = Path("/home/model")
_NODES = ("davinci1", "davinci5", "davinci_manager", "devmm_svm", "hisi_hdc")
_DRIVER = Path("/usr/local/Ascend")
_DCMI = Path("/usr/local/dcmi")
_INSTALLED = Path("/etc/ascend_install.info")
_TOOL = Path("/usr/local/sbin/npu-smi")
_NULL = os.makedev(1, 3)
# Containers are given this one. Kits that other tests run meanwhile find it too: for them the machine has no cards, which
# would come and go in the middle of a run.
_NO_CARDS = """#!/bin/sh
echo "only the emulated machine has cards" >&2
exit 1
"""
# These answer for the real machine: the container engine is real, and so are the nodes.
_REAL = ("docker version", "docker info", "ls /dev")
# Seen by kit alone; those below are made where the container finds them, too.
_OVERLAID = ("/etc/os-release", "/proc/meminfo", "/proc/sys/kernel/numa_balancing")


def obstacle() -> str | None:
    """Why this machine cannot look like another, or None."""
    if os.geteuid() != 0:
        return "only root makes device nodes"
    there = [path for path in (_DRIVER, _DCMI, _INSTALLED, _TOOL, MODEL) if path.exists()]
    there += [Path("/dev", node) for node in _NODES if Path("/dev", node).exists()]
    return f"this machine has {there[0]} of its own" if there else None


@contextmanager
def machine(folder: Path, model: Path) -> Iterator["Emulated"]:
    """The machine, with a model made from a real one; everything that is made is removed."""
    assert obstacle() is None, "what is there already would be removed"
    made = [_DRIVER, _DCMI, _INSTALLED, _TOOL, MODEL]
    try:
        _driver()
        _model(model)
        for node in _NODES:
            path = Path("/dev", node)
            made.append(path)
            os.mknod(path, stat.S_IFCHR | 0o666, _NULL)
        _tools(folder / "bin", _by_tool(ascend_host.COMMANDS))
        _TOOL.write_text(_NO_CARDS)
        _TOOL.chmod(0o755)
        yield Emulated(folder)
    finally:
        for path in made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


class Emulated:
    """The machine as it is while the context lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = f"{folder / 'bin'}:{os.environ['PATH']}"
        for name in _OVERLAID:
            (folder / _flat(name)).write_text(ascend_host.FILES[name])

    @property
    def prefix(self) -> Sequence[str]:
        """What comes before a command that is to see this machine."""
        mounts = "; ".join(
            f"mount --bind {shlex.quote(str(self._folder / _flat(name)))} {name}"
            for name in _OVERLAID
            if Path(name).exists()
        )
        return ("unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{mounts}; exec "$@"', "sh")


def _flat(name: str) -> str:
    return name.strip("/").replace("/", "_")


def _driver() -> None:
    (_DRIVER / "driver" / "lib64").mkdir(parents=True)
    (_DRIVER / "firmware").mkdir()
    _DCMI.mkdir()
    for name in ("/etc/ascend_install.info", f"{_DRIVER}/driver/version.info", f"{_DRIVER}/firmware/version.info"):
        Path(name).write_text(ascend_host.FILES[name])


def _model(model: Path) -> None:
    """The directories that the original's command names: a small model in the one, experts' weights in the other."""
    shutil.copytree(model, MODEL / "DeepSeek-R1-W8A8")
    experts = MODEL / "deepseek-int4"
    experts.mkdir()
    header = json.dumps({"experts": {"dtype": "I8", "shape": [64], "data_offsets": [0, 64]}}).encode()
    (experts / "experts.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)


def _by_tool(commands: Mapping[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for command, text in commands.items():
        if command not in _REAL:
            tool, _, words = command.partition(" ")
            found.setdefault(tool, {})[words] = text
    return found


def _tools(folder: Path, tools: Mapping[str, Mapping[str, str]]) -> None:
    """A program for each tool: it prints what was recorded for its arguments, and hands everything else to the real one."""
    folder.mkdir()
    for tool, answers in tools.items():
        real = shutil.which(tool)
        cases = "".join(f"{shlex.quote(words)}) cat <<'END'\n{text}END\n;;\n" for words, text in answers.items())
        other = f'exec {real} "$@"' if real else 'echo "no recording of $*"; exit 1'
        path = folder / tool
        path.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}*) {other} ;;\nesac\n')
        path.chmod(0o755)
