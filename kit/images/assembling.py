"""The context of a build: of everything that was fetched exactly what one image needs, and nothing of who packed it."""

import shutil
import tarfile
from pathlib import Path

from kit import images
from kit.images import Image, artifacts, gathering
from kit.images.gathering import Places
from kit.ports import Progress
from kit.runtimes import fetching
from kit.runtimes.sources import Source, requirements

ENVIRONMENT = Path("/opt/kit/env")
"""Where the Python environment of an image stands."""


def assemble(
    image: Image, places: Places, vendor: tuple[artifacts.Artifact, ...], context: Path, progress: Progress
) -> None:
    """The build context: the image's own files, and of what was fetched exactly what it needs."""
    for name in ("artifacts", "tools", "wheels", "programs/bin"):
        (context / name).mkdir(parents=True)
    for path in (*image.files(), image.folder / artifacts.FILE):
        if path.is_file():
            shutil.copyfile(path, context / path.name)
    for artifact in vendor:
        gathering.copy(artifact.path, context / "artifacts" / artifact.path.name)
    fetched = str(places.fetched)
    source = image.source
    if source is not None:
        fetching.fetch(source, context / "wheels", progress, target=gathering.target(image), brought=fetched)
        built = gathering.checked_built(source, places.fetched)
        shutil.copyfile(source.lock, context / "requirements.lock")
        pins = requirements(source.sdists) if source.sdists.is_file() else []
        lines = [f"{pin} --hash=sha256:{digest}\n" for pin, digest in zip(pins, built.values(), strict=True)]
        (context / "built.lock").write_text("".join(lines), "utf-8")
        source.install_programs(context / "programs", ENVIRONMENT)
    if source is not None or any(artifact.record.kind == "wheel" for artifact in vendor):
        locked = Source(image.images, image.name, image.version)
        fetching.fetch_lock(locked, image.images / "pip.lock", context / "tools", brought=fetched)
        shutil.copyfile(image.images / "finish.py", context / "tools" / "finish.py")
    (context / "tools" / "drop.txt").write_text("".join(f"{one}\n" for one in image.definition.drop), "utf-8")
    (context / "tools" / "bytecode.txt").write_text("".join(f"{one}\n" for one in image.definition.bytecode), "utf-8")
    if image.definition.holds_kit:
        _copy_kit(image, places, context)


def pack(folder: Path, out: Path, epoch: int) -> None:
    """A folder as a tar file that says nothing of who packed it, or when: modes and owners reach the image."""
    with tarfile.open(out, "w") as packed:
        for path in sorted(folder.rglob("*")):
            entry = packed.gettarinfo(path, path.relative_to(folder).as_posix())
            if entry.islnk():
                entry.type, entry.size, entry.linkname = tarfile.REGTYPE, path.stat().st_size, ""
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = epoch
            entry.mode = 0o755 if path.is_dir() or entry.mode & 0o100 else 0o644
            if entry.isreg():
                with open(path, "rb") as file:
                    packed.addfile(entry, file)
            else:
                packed.addfile(entry)


def _copy_kit(image: Image, places: Places, context: Path) -> None:
    package = context / "site" / "kit"
    for path in images.kit_files(places.kit):
        target = package / path.relative_to(places.kit)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name in ("images", "profiles", "templates"):
        folder = image.images.parent / name
        for path in images.data_files(folder):
            target = package / "data" / name / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
