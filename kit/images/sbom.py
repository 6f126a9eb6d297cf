"""What an image contains, read from the image itself, as a CycloneDX list: Debian packages, Python distributions and the
vendors' files."""

import re
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser
from typing import IO

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from kit import __version__
from kit.images import LABEL, Image
from kit.ports import StoredImage

_DPKG = "var/lib/dpkg/status"
_DISTRIBUTION = re.compile(r"(?:site|dist)-packages/[^/]+\.dist-info/METADATA$")
_ARTIFACT = "kit.artifact."
_SPACE = uuid.UUID("0f6f6d2c-5c0f-5f0e-9d0c-6b69742d7362")
_LONGEST_LICENCE = 80


def write(image: Image, stored: StoredImage, files: IO[bytes], content: str | None) -> bytes:
    """The list of one image as JSON: the same bytes for the same image."""
    found: dict[str, Component] = {}
    with tarfile.open(fileobj=files, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if path == _DPKG or _DISTRIBUTION.search(path):
                file = archive.extractfile(member)
                text = file.read() if file is not None else b""
                parts = _debian(text) if path == _DPKG else (_python(BytesHeaderParser().parsebytes(text)),)
                found |= {str(part.bom_ref.value): part for part in parts}
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
                # A vendor's base may keep its packages in another database.
                "kit:not-listed": None if any(name.startswith("pkg:deb/") for name in found) else "system packages",
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


def _debian(status: bytes) -> Iterator[Component]:
    """The packages that dpkg knows as installed."""
    for paragraph in status.strip().split(b"\n\n"):
        told = BytesHeaderParser().parsebytes(paragraph)
        if str(told["Status"]).split()[-1:] != ["installed"]:
            continue
        name, version, architecture = str(told["Package"]), str(told["Version"]), str(told["Architecture"])
        purl = PackageURL("deb", "debian", name, version, {"arch": architecture})
        yield Component(name=name, version=version, purl=purl, bom_ref=purl.to_string())


def _python(told: Message) -> Component:
    name, version = str(told["Name"]), str(told["Version"])
    purl = PackageURL("pypi", None, re.sub(r"[-_.]+", "-", name).lower(), version)
    licence = str(told["License-Expression"] or told["License"] or "").strip()
    named = licence and "\n" not in licence and len(licence) <= _LONGEST_LICENCE and licence != "UNKNOWN"
    licences = [LicenseFactory().make_from_string(licence)] if named else []
    return Component(name=name, version=version, purl=purl, bom_ref=purl.to_string(), licenses=licences)


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
