"""What a file from a vendor is: a makeself installer, a wheel, or an image as `docker save` writes it. Nothing is run."""

import hashlib
import json
import re
import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Literal, get_args

from kit.errors import UsageError

Kind = Literal["run", "wheel", "image"]
KINDS: tuple[Kind, ...] = get_args(Kind)

ANY = "any"
_HEAD = 1024 * 1024
_MACHINES = {"aarch64": "linux/arm64", "arm64": "linux/arm64", "x86_64": "linux/amd64", "amd64": "linux/amd64"}
_WHEEL = re.compile(
    r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-[0-9][^-]*)?-(?P<python>[^-]+)-[^-]+-(?P<platform>[^-]+)\.whl"
)
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file says of itself. `platform` is `any` where it fits all; `identity` is the config digest of an image."""

    kind: Kind
    platform: str
    name: str = ""
    version: str = ""
    python: str | None = None
    identity: str | None = None


def recognise(path: Path, kind: Kind, name: str | None = None) -> Recognised:
    """What `path` is, which was called `name` by its vendor. Raises `UsageError` where it is no whole file of that kind."""
    name = name or path.name
    try:
        if kind == "run":
            return _makeself(path, name)
        return _wheel(path, name) if kind == "wheel" else _image(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise UsageError(
            f"{path} is {_seems(path)}, and damaged or cut short: {error}", hint="fetch it again"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error


def _makeself(path: Path, name: str) -> Recognised:
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if not head.startswith(b"#!") or b"makeself" not in head[:4096].lower():
        raise UsageError(f"{path} is no makeself installer, but {_seems(path)}", hint=_portal(head))
    if missing := _cut(head, path.stat().st_size):
        msg = f"{path} is cut short: {missing} bytes of the archive inside are missing"
        raise UsageError(msg, hint="the download broke off: fetch it again")
    machine = re.search(r"linux[-_.](aarch64|arm64|x86_64|amd64)", name)
    return Recognised("run", _MACHINES[machine[1]] if machine else ANY)


def _cut(head: bytes, size: int) -> int:
    """How many bytes are missing behind the script, as far as its header says how long the archive is."""
    sizes = re.search(rb'^filesizes="([0-9 ]+)"', head, re.MULTILINE)
    lines = re.search(rb'head -n "?([0-9]+)"? "\$0"', head) or re.search(rb'^skip="([0-9]+)"', head, re.MULTILINE)
    if not sizes or not lines:
        return 0
    position = 0
    for _ in range(int(lines[1])):
        position = head.find(b"\n", position) + 1
        if not position:
            return 0
    return max(0, position + sum(map(int, sizes[1].split())) - size)


def _wheel(path: Path, name: str) -> Recognised:
    named = _WHEEL.fullmatch(name)
    if not named:
        raise UsageError(f"{name} is not the name of a wheel", hint="name-version-python-abi-platform.whl")
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            raise UsageError(f"{path} is no wheel, but {_seems(path)}", hint=_portal(file.read(4096)))
    with zipfile.ZipFile(path) as archive:
        if (broken := archive.testzip()) is not None:
            raise UsageError(f"{path} is damaged: {broken} inside is not what was packed", hint="fetch it again")
        metadata = [entry for entry in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", entry)]
        if len(metadata) != 1:
            raise UsageError(f"{path} is a zip archive, but no wheel: it has no METADATA")
        told = HeaderParser().parsestr(archive.read(metadata[0]).decode("utf-8", "replace"))
    said = (str(told["Name"]), str(told["Version"]))
    if (_plain(said[0]), said[1]) != (_plain(named["name"]), named["version"]):
        raise UsageError(f"{path} says inside that it is {said[0]} {said[1]}", hint="was it renamed? --as NAME")
    python = re.fullmatch(r"cp3([0-9]+)", named["python"].split(".")[0])
    return Recognised(
        "wheel", _of_wheel(path, named["platform"]), _plain(said[0]), said[1], f"3.{python[1]}" if python else None
    )


def _of_wheel(path: Path, tag: str) -> str:
    """The platform that a wheel's tag means."""
    found = {ANY if part == "any" else _MACHINES.get(_machine(part), part) for part in tag.split(".")}
    if len(found) != 1 or (known := found.pop()) not in (ANY, *_MACHINES.values()):
        msg = f"{path} is for {tag}"
        raise UsageError(msg, hint="wheels for manylinux or linux on aarch64 or x86_64, or for any, can be taken")
    return known


def _machine(tag: str) -> str:
    found = re.fullmatch(r"(?:many)?linux(?:[0-9]+|_[0-9]+_[0-9]+)?_(aarch64|x86_64)", tag)
    return found[1] if found else tag


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _image(path: Path) -> Recognised:
    """An image archive, identified by the digest of its configuration: the id that the engine gives it when it is loaded."""
    if not tarfile.is_tarfile(path):
        with open(path, "rb") as file:
            raise UsageError(f"{path} is no image archive, but {_seems(path)}", hint=_portal(file.read(4096)))
    with tarfile.open(path) as archive:
        names = set(archive.getnames())
        if "manifest.json" not in names:
            what = "an OCI archive without manifest.json" if "index.json" in names else "a tar archive without an image"
            raise UsageError(f"{path} is {what}", hint="write it with docker save")
        manifest = json.loads(_member(archive, "manifest.json"))
        if not isinstance(manifest, list) or len(manifest) != 1:
            raise UsageError(f"{path} holds {len(manifest)} images; kit takes an archive of one")
        place = str(manifest[0]["Config"])
        if place not in names or not set(manifest[0]["Layers"]) <= names:
            raise UsageError(f"{path} is not whole: its manifest names layers that it does not hold")
        content = _member(archive, place)
    digest = hashlib.sha256(content).hexdigest()
    stated = _HEX.search(place)
    if stated and stated[0] != digest:
        raise UsageError(f"{path} is damaged: its configuration is not the one that its name states")
    config = json.loads(content)
    platform = f"{config.get('os', 'linux')}/{config.get('architecture', 'unknown')}"
    tags = manifest[0].get("RepoTags") or [""]
    return Recognised("image", platform, str(tags[0]), "", None, f"sha256:{digest}")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    return file.read() if file is not None else b""


def _seems(path: Path) -> str:
    """What the first bytes look like, in words."""
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head:
        return "an empty file"
    for sign, words in (
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\x7fELF", "a program"),
        (b"#!", "a script"),
        (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
    ):
        if head.startswith(sign):
            return words
    if _is_page(head):
        return "a web page"
    return "a tar archive" if tarfile.is_tarfile(path) else "something else"


def _is_page(head: bytes) -> bool:
    return re.match(rb"\s*<(!doctype|html|\?xml)", head, re.IGNORECASE) is not None


def _portal(head: bytes) -> str:
    return "the portal answered with a page, perhaps to log in: download it with a browser" if _is_page(head) else ""
