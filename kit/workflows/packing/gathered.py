"""The files of a bundle while they are gathered, and what it is wanted for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kit.bundles import names, packed, writing
from kit.errors import UsageError
from kit.model.bundle import FOLDERS, Kind, Member
from kit.ports import Progress

Runtime = Literal["process", "docker"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the bundle is for: runtime and platforms of the new machine, those of the run unless given; kinds to leave out."""

    settings: tuple[str, ...] = ()
    runtime: Runtime | None = None
    platforms: tuple[str, ...] = ()
    without: tuple[Kind, ...] = ()


@dataclass
class Gathered:
    """The files of a bundle so far, by the names that they get."""

    scratch: Path
    wanted: Wanted
    progress: Progress
    sources: dict[str, Path] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: Kind, name: str, path: Path, *, platform: str | None = None) -> None:
        """Take a file in under a name of its kind. Raises `UsageError` where that cannot be."""
        name = FOLDERS[kind] + name if FOLDERS[kind].endswith("/") else FOLDERS[kind]
        if found := names.wrong(name):
            raise UsageError(f"{path} cannot be bundled: {names.shown(name)} {found}")
        size, sha256 = writing.measure(path)
        unpacked = packed.unpacked(path) if kind == "image" else None
        member = Member(name=name, kind=kind, size=size, sha256=sha256, platform=platform, unpacked_bytes=unpacked)
        if name not in self.sources:
            self.sources[name] = path
            self.members.append(member)
        elif not any(member.sha256 == one.sha256 for one in self.members if one.name == name):
            raise UsageError(f"{name} is two different files: {path} and {self.sources[name]}")

    def write(self, kind: Kind, name: str, content: bytes) -> None:
        """The same for what lies in no file yet."""
        path = self.scratch / f"{kind}-{name}.content"
        path.write_bytes(content)
        self.add(kind, name, path)

    def wants(self, kind: Kind) -> bool:
        """Whether nobody asked to leave files of a kind out."""
        return kind not in self.wanted.without
