"""The list of what an image contains."""

import io
import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kit import images
from kit.images import rpm, sbom
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
HEADERS = Path(__file__).resolve().parents[1] / "rpm"
"""Packages as rpm 4.18 keeps them: its own bytes, of two packages without content."""
RELEASE = b'NAME="openEuler"\nID="openEuler"\nVERSION_ID="22.03"\n'
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


def database(folder: Path, *headers: bytes) -> tuple[bytes, bytes]:
    """A database as it lies while rpm has it open, and its write-ahead log, which then holds the packages."""
    path = folder / "rpmdb.sqlite"
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        opened.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
        opened.commit()
        return path.read_bytes(), path.with_name("rpmdb.sqlite-wal").read_bytes()


def real() -> list[bytes]:
    return [path.read_bytes() for path in sorted(HEADERS.glob("*.header"))]


@pytest.mark.parametrize("place", rpm.DATABASES)
def test_packages_of_rpm_are_listed_under_their_distribution(tmp_path: Path, place: str) -> None:
    kept, log = database(tmp_path, *real())
    found = json.loads(written({place: kept, f"{place}-wal": log, "etc/os-release": RELEASE}))
    parts = {part["bom-ref"]: part for part in found["components"]}
    assert sorted(parts) == [
        "file:toolkit.run",
        "pkg:rpm/openeuler/glibc@2.34-143.oe2203?arch=aarch64",
        "pkg:rpm/openeuler/openssl-libs@1.1.1m-15.oe2203?arch=noarch&epoch=1",
    ]
    assert parts["pkg:rpm/openeuler/glibc@2.34-143.oe2203?arch=aarch64"]["licenses"] == [
        {"license": {"name": "LGPLv2+"}}
    ]
    assert "kit:not-listed" not in {entry["name"] for entry in found["metadata"]["component"]["properties"]}


def test_a_database_of_rpm_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    kept, log = database(tmp_path, real()[0][:100])
    for files in ({rpm.DATABASES[0]: b"no database"}, {rpm.DATABASES[0]: kept, f"{rpm.DATABASES[0]}-wal": log}):
        properties = json.loads(written(files))["metadata"]["component"]["properties"]
        assert {"name": "kit:not-listed", "value": "system packages"} in properties


def test_keys_among_the_packages_are_none(tmp_path: Path) -> None:
    """rpm keeps the keys that it trusts as packages for no machine."""
    key = real()[0].replace((1022).to_bytes(4, "big"), (1999).to_bytes(4, "big"))
    assert [one.name for one in rpm.read(*database(tmp_path, key, real()[1]))] == ["openssl-libs"]


@given(st.integers(0, 1400), st.binary(max_size=8))
@example(0, b"\xff" * 8)
def test_a_damaged_header_of_rpm_is_told_or_read(
    tmp_path_factory: pytest.TempPathFactory, at: int, bytes_: bytes
) -> None:
    header = real()[0]
    with suppress(ValueError):
        rpm.read(*database(tmp_path_factory.mktemp("rpm"), header[:at] + bytes_ + header[at + len(bytes_) :]))


def test_packages_are_named_after_the_distribution_that_the_image_says_it_is() -> None:
    found = json.loads(written({**FILES, "usr/lib/os-release": b"PRETTY_NAME=x\nID=ubuntu\nID_LIKE=debian\n"}))
    assert "pkg:deb/ubuntu/base-files@12.4%2Bdeb12u15?arch=amd64" in {part["bom-ref"] for part in found["components"]}
