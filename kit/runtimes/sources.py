"""What environments are made from: the folders of `images/`, with their locks and kit's own programs."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from kit.errors import UsageError

_REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?\s*==[^\s;\\]+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """What one environment is made from: the folder of an image and, where there are versions, the version's folder."""

    images: Path
    name: str
    variant: str | None

    @property
    def folder(self) -> Path:
        return self.images / self.name / self.variant if self.variant else self.images / self.name

    @property
    def lock(self) -> Path:
        """Hash-pinned requirements that exist as wheels."""
        return self.folder / "requirements.lock"

    @property
    def sdists(self) -> Path:
        """Hash-pinned requirements that exist as source only; may be absent."""
        return self.folder / "sdists.lock"

    @property
    def build_tools(self) -> Path:
        """What turns the source-only ones into wheels."""
        return self.images / "build-tools.lock"

    @property
    def programs(self) -> tuple[Path, ...]:
        """Kit's own files that run inside: everything in the image's folder that is not about building it."""
        files = (path for path in (self.images / self.name).iterdir() if path.is_file())
        return tuple(sorted(path for path in files if path.suffix in (".py", ".sha256")))

    @property
    def locks(self) -> tuple[Path, ...]:
        """The locks whose packages are installed."""
        return (self.lock, self.sdists) if self.sdists.is_file() else (self.lock,)

    def files(self) -> tuple[Path, ...]:
        """Everything that the environment is made from."""
        tools = (self.build_tools,) if self.sdists.is_file() else ()
        return (*self.locks, *tools, *self.programs)

    def install_programs(self, path: Path, prefix: Path) -> None:
        """Copy kit's own files below `path`, which will stand at `prefix` when they run; `serve.py` of `llamacpp`, being
        a program, becomes the command `llamacpp-serve`."""
        home = path / "kit"
        home.mkdir()
        for file in self.programs:
            shutil.copyfile(file, home / file.name)
            if '__name__ == "__main__"' in file.read_text("utf-8"):
                command = path / "bin" / f"{self.name}-{file.stem.replace('_', '-')}"
                command.write_text(_launcher(prefix / "bin" / "python", prefix / "kit" / file.name), "utf-8")
                command.chmod(0o755)

    def version(self, package: str) -> str | None:
        """The version that the lock pins for a package."""
        pinned = re.search(rf"^{re.escape(package)}==([^\s;\\]+)", self.lock.read_text("utf-8"), re.MULTILINE)
        return pinned[1] if pinned else None

    def digest(self) -> str:
        """SHA-256 over the names and bytes of everything that the environment is made from."""
        total = hashlib.sha256()
        for path in self.files():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(self.images).as_posix()}\0{content}\n".encode())
        return f"sha256:{total.hexdigest()}"


def find(images: Path, name: str, variant: str | None) -> Source:
    """The source of an environment. Raises `UsageError` naming what exists instead."""
    source = Source(images, name, variant)
    if source.lock.is_file():
        return source
    known = sorted(path.parent.relative_to(images).as_posix() for path in images.glob("**/requirements.lock"))
    wanted = f"{name}/{variant}" if variant else name
    if (images / name / "image.toml").is_file() and not any((images / name).rglob("requirements.lock")):
        hint = "add --runtime docker (kit image list shows which images are built)"
        raise UsageError(f"{wanted} is an image only: it has no lock to make an environment of", hint=hint)
    msg = f"there is no environment {wanted!r}"
    raise UsageError(msg, hint=f"images/ has: {', '.join(known)}")


def requirements(lock: Path) -> list[str]:
    """The pins of a lock, `name==version` each."""
    return _REQUIREMENT.findall(lock.read_text("utf-8"))


def _launcher(python: Path, script: Path) -> str:
    return f"""\
#!{python}
import runpy
import sys

sys.path[0] = {str(script.parent)!r}
runpy.run_path({str(script)!r}, run_name="__main__")
"""
