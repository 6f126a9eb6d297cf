"""The list of what an image contains."""

import io
import json

from kit import images
from kit.images import sbom
from kit.ports import StoredImage
from kit.resources import folder
from tests.image_store import tar

STATUS = b"""\
Package: base-files
Status: install ok installed
Architecture: amd64
Version: 12.4+deb12u15

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
SITE = "opt/kit/env/lib/python3.11/site-packages"
FILES = {
    "var/lib/dpkg/status": STATUS,
    f"{SITE}/evalscope-1.0.1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: evalscope\nVersion: 1.0.1\nLicense: Apache-2.0\n\n# Text\nVersion: 9",
    f"{SITE}/Long_Name-2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: Long_Name\nVersion: 2\nLicense: A long\n text of\n a licence\n",
    f"{SITE}/evalscope/data.dist-info/sub/METADATA": b"Name: wrong\nVersion: 0\n",
}
LABELS = {"kit.artifact.toolkit.run": f"sha256:{'a' * 64}", images.LABEL: f"sha256:{'b' * 64}", "other": "1"}


def listed() -> dict[str, dict[str, object]]:
    return {str(part["bom-ref"]): part for part in json.loads(written())["components"]}


def written(files: dict[str, bytes] = FILES) -> bytes:
    image = images.find(folder("images"), "evalscope", "linux/amd64")
    stored = StoredImage(f"sha256:{'c' * 64}", "linux/amd64", 1, None, LABELS, ())
    return sbom.write(image, stored, io.BytesIO(tar(files)), f"sha256:{'d' * 64}")


def test_packages_distributions_and_vendor_files_are_listed() -> None:
    assert sorted(listed()) == [
        "file:toolkit.run",
        "pkg:deb/debian/base-files@12.4%2Bdeb12u15?arch=amd64",
        "pkg:pypi/evalscope@1.0.1",
        "pkg:pypi/long-name@2",
    ]


def test_licences_are_those_that_a_distribution_names_in_short() -> None:
    assert listed()["pkg:pypi/evalscope@1.0.1"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert "licenses" not in listed()["pkg:pypi/long-name@2"]


def test_vendor_files_carry_their_digest() -> None:
    assert listed()["file:toolkit.run"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]


def test_the_image_itself_is_named_with_its_content() -> None:
    found = json.loads(written())
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    subject = found["metadata"]["component"]
    assert (subject["name"], subject["version"], subject["type"]) == ("kit/evalscope", "1.0.1", "container")
    assert {"name": "kit:content", "value": f"sha256:{'d' * 64}"} in subject["properties"]


def test_the_same_image_gives_the_same_bytes() -> None:
    assert written() == written(dict(reversed(FILES.items())))


def test_a_base_whose_packages_cannot_be_read_says_so() -> None:
    properties = json.loads(written({}))["metadata"]["component"]["properties"]
    assert {"name": "kit:not-listed", "value": "system packages"} in properties
