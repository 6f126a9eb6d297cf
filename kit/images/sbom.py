"""What an image contains, read from the image itself, as a CycloneDX list: packages of Debian or rpm, Python distributions and
the vendors' files."""

import re
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser
from typing import IO

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from kit import __version__
from kit.images import LABEL, Image, rpm
from kit.ports import StoredImage

_DPKG = "var/lib/dpkg/status"
_DISTRIBUTION = re.compile(r"(?:site|dist)-packages/[^/]+\.dist-info/METADATA$")
_RELEASES = ("usr/lib/os-release", "etc/os-release")
_ARTIFACT = "kit.artifact."
_SPACE = uuid.UUID("0f6f6d2c-5c0f-5f0e-9d0c-6b69742d7362")
_LONGEST_LICENCE = 80


def write(image: Image, stored: StoredImage, files: IO[bytes], content: str | None) -> bytes:
    """The list of one image as JSON: the same bytes for the same image."""
    found: dict[str, Component] = {}
    kept = {_DPKG, *_RELEASES, *(f"{name}{end}" for name in rpm.DATABASES for end in ("", "-wal"))}
    system: dict[str, bytes] = {}
    with tarfile.open(fileobj=files, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            wanted = path in kept or _DISTRIBUTION.search(path)
            file = archive.extractfile(member) if wanted and member.isfile() else None
            if file is not None and path in kept:
                system[path] = file.read()
            elif file is not None:
                part = _python(BytesHeaderParser().parsebytes(file.read()))
                found[str(part.bom_ref.value)] = part
    found |= {str(part.bom_ref.value): part for part in _system(system)}
    found |= {str(part.bom_ref.value): part for part in _vendors(stored.labels)}
    subject = Component(
        name=f"kit/{image.name}",
        type=ComponentType.CONTAINER,
        version=image.version or __version__,
        bom_ref=stored.id,
        description=image.definition.title,
        hashes=[_sha256(stored.id)],
        properties=_properties(
            {
                "kit:platform": image.platform,
                "kit:content": content,
                "kit:inputs": stored.labels.get(LABEL),
                # A vendor's base may keep its packages in another database, or its rpm in an older format.
                "kit:not-listed": None if _has_system(found) else "system packages",
            }
        ),
    )
    bom = Bom(
        components=[found[name] for name in sorted(found)],
        serial_number=uuid.uuid5(_SPACE, stored.id),
        metadata=BomMetaData(
            component=subject,
            timestamp=datetime.fromtimestamp(image.epoch(), UTC),
            tools=ToolRepository(components=[_kit()]),
        ),
    )
    bom.register_dependency(subject, found.values())
    return (make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_5).output_as_string(indent=1) + "\n").encode()


def _kit() -> Component:
    return Component(name="kit", type=ComponentType.APPLICATION, version=__version__, bom_ref="kit")


def _has_system(found: Iterable[str]) -> bool:
    return any(name.startswith(("pkg:deb/", "pkg:rpm/")) for name in found)


def _system(files: Mapping[str, bytes]) -> Iterator[Component]:
    """The packages of the system, named after the distribution that it says it is."""
    said = next((files[name] for name in _RELEASES if name in files), b"").decode("utf-8", "replace")
    named = re.search(r"^ID=[\"']?([A-Za-z0-9._-]+)", said, re.MULTILINE)
    distribution = named[1].lower() if named else None
    yield from _debian(files.get(_DPKG, b""), distribution or "debian")
    for name in rpm.DATABASES:
        if name in files:
            with suppress(ValueError):
                yield from _rpm(rpm.read(files[name], files.get(f"{name}-wal", b"")), distribution)


def _debian(status: bytes, distribution: str) -> Iterator[Component]:
    """The packages that dpkg knows as installed."""
    for paragraph in status.strip().split(b"\n\n"):
        told = BytesHeaderParser().parsebytes(paragraph)
        if str(told["Status"]).split()[-1:] != ["installed"]:
            continue
        name, version, architecture = str(told["Package"]), str(told["Version"]), str(told["Architecture"])
        purl = PackageURL("deb", distribution, name, version, {"arch": architecture})
        yield Component(name=name, version=version, purl=purl, bom_ref=purl.to_string())


def _rpm(packages: Iterable[rpm.Package], distribution: str | None) -> Iterator[Component]:
    """The packages that rpm knows; an epoch stands beside the version, as package URLs have it."""
    for one in packages:
        version = f"{one.version}-{one.release}"
        more = {"arch": one.architecture} | ({"epoch": str(one.epoch)} if one.epoch else {})
        purl = PackageURL("rpm", distribution, one.name, version, more)
        yield Component(
            name=one.name, version=version, purl=purl, bom_ref=purl.to_string(), licenses=_licences(one.licence)
        )


def _python(told: Message) -> Component:
    name, version = str(told["Name"]), str(told["Version"])
    purl = PackageURL("pypi", None, re.sub(r"[-_.]+", "-", name).lower(), version)
    licences = _licences(str(told["License-Expression"] or told["License"] or "").strip())
    return Component(name=name, version=version, purl=purl, bom_ref=purl.to_string(), licenses=licences)


def _licences(told: str) -> list[License]:
    """A licence where it is named in short; its whole text stands elsewhere."""
    named = told and "\n" not in told and len(told) <= _LONGEST_LICENCE and told != "UNKNOWN"
    return [LicenseFactory().make_from_string(told)] if named else []


def _vendors(labels: Mapping[str, str]) -> Iterator[Component]:
    """The vendors' files that an image was installed from, as its labels name them."""
    for label, digest in sorted(labels.items()):
        if label.startswith(_ARTIFACT):
            name = label.removeprefix(_ARTIFACT)
            yield Component(name=name, type=ComponentType.FILE, bom_ref=f"file:{name}", hashes=[_sha256(digest)])


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))


def _properties(found: Mapping[str, str | None]) -> Iterable[Property]:
    return [Property(name=name, value=value) for name, value in found.items() if value is not None]
