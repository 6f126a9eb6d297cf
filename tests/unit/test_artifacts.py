"""Vendor files: what is recognised, what is recorded, what is refused; and which torch goes with which CANN."""

import hashlib
import io
import json
import shutil
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from kit.errors import EnvironmentUnavailableError, KitError, UsageError
from kit.images import artifacts
from kit.images.artifacts import adding, matrix
from kit.images.artifacts.recognise import recognise
from tests.standins import cann, makeself, wheels

IMAGES = Path(__file__).resolve().parents[2] / "images"
TABLE = IMAGES / "cann" / "matrix.toml"
ARM = "linux/arm64"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A copy of the images that need vendor files, as nobody has added any yet."""
    for name in ("cann", "ftransformers"):
        shutil.copytree(IMAGES / name, tmp_path / "images" / name)
        path = tmp_path / "images" / name / artifacts.FILE
        path.write_text(path.read_text("utf-8").partition(adding.MARK)[0], "utf-8")
    return tmp_path / "images"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The vendors' files of the original machine, as stand-ins."""
    folder = tmp_path / "files"
    folder.mkdir()
    cann.write(folder, "8.2.RC1", "aarch64")
    wheels.write(folder)
    return folder


class Site:
    """A machine that takes in vendor files and asks for them."""

    def __init__(self, images: Path, store: Path) -> None:
        self.images = images
        self.store = store
        self.told: list[str] = []

    def add(
        self, file: Path, *, image: str | None = None, called: str | None = None, replace: bool = False
    ) -> adding.Taken:
        return adding.add(self.images, self.store, file, self.told.append, image=image, called=called, replace=replace)

    def require(
        self, name: str, version: str, platform: str = ARM, *, own_base: bool = False
    ) -> tuple[artifacts.Artifact, ...]:
        return artifacts.require(self.images, name, version, platform, self.store, self.told.append, own_base=own_base)


@pytest.fixture
def site(images: Path, tmp_path: Path) -> Site:
    return Site(images, tmp_path / "store")


def docker_archive(
    path: Path, *, architecture: str = "arm64", config_name: str | None = None, oci: bool = False
) -> Path:
    """An image archive of one empty layer; returns its path."""
    config = json.dumps({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers"}}).encode()
    digest = hashlib.sha256(config).hexdigest()
    place = config_name or f"{digest}.json"
    manifest = [{"Config": place, "RepoTags": ["zhiwen-ft:v3.3.1"], "Layers": ["layer.tar"]}]
    inside = {place: config, "layer.tar": b"", "manifest.json": json.dumps(manifest).encode()}
    if oci:
        inside = {"index.json": b"{}", "oci-layout": b"{}"}
    with tarfile.open(path, "w") as archive:
        for name, content in inside.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_images_name_their_vendor_files_for_both_platforms() -> None:
    for name in ("cann", "ftransformers"):
        found = artifacts.declared(IMAGES, name)
        assert found is not None
        assert {entry.platform for entry in found.needed} == {"linux/arm64", "linux/amd64"}
    assert artifacts.declared(IMAGES, "evalscope") is None


@pytest.mark.parametrize(
    ("version", "names"),
    [
        (
            "8.2.RC1",
            {
                "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run",
                "Ascend-cann-kernels-910b_8.2.RC1_linux-aarch64.run",
                "Ascend-cann-nnal_8.2.RC1_linux-aarch64.run",
            },
        ),
        (
            "8.5.0",
            {
                "Ascend-cann-toolkit_8.5.0_linux-aarch64.run",
                "Ascend-cann-910b-ops_8.5.0_linux-aarch64.run",
                "Ascend-cann-nnal_8.5.0_linux-aarch64.run",
            },
        ),
    ],
    ids=["8.2.RC1", "8.5.0"],
)
def test_a_build_without_vendor_files_is_refused_with_all_that_is_missing(
    site: Site, version: str, names: set[str]
) -> None:
    with pytest.raises(EnvironmentUnavailableError) as refused:
        site.require("cann", version)
    assert {problem.where for problem in refused.value.problems} == names
    assert all("昇腾社区" in problem.hint for problem in refused.value.problems)
    assert str(site.store / "cann") in refused.value.hint
    assert "kit image add-artifact FILE" in refused.value.hint


def test_added_files_are_recorded_and_found_again(site: Site, files: Path, images: Path) -> None:
    before = (images / "cann" / artifacts.FILE).read_text("utf-8").rstrip("\n")
    taken = [site.add(path) for path in sorted(files.glob("*.run"))]
    assert [len(one.missing) for one in taken] == [2, 1, 0]

    text = (images / "cann" / artifacts.FILE).read_text("utf-8")
    assert text.startswith(before), "the part written by hand has changed"
    recorded = {entry["file"]: entry for entry in tomllib.loads(text)["added"]}
    for path in files.glob("*.run"):
        assert recorded[path.name]["size"] == path.stat().st_size
        assert recorded[path.name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()

    ready = site.require("cann", "8.2.RC1")
    assert [one.path.name for one in ready] == [
        "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run",
        "Ascend-cann-kernels-910b_8.2.RC1_linux-aarch64.run",
        "Ascend-cann-nnal_8.2.RC1_linux-aarch64.run",
    ]
    assert artifacts.chosen(images, "cann", "8.2.RC1", ARM) == tuple(one.record for one in ready)


def test_files_for_one_platform_are_not_taken_for_another(site: Site, files: Path) -> None:
    for path in files.glob("*.run"):
        site.add(path)
    with pytest.raises(EnvironmentUnavailableError) as refused:
        site.require("cann", "8.2.RC1", "linux/amd64")
    assert all("x86_64" in problem.where for problem in refused.value.problems)


def test_adding_the_same_file_twice_changes_nothing(site: Site, files: Path, images: Path) -> None:
    site.add(files / "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run")
    once = (images / "cann" / artifacts.FILE).read_bytes()
    site.add(site.store / "cann" / "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run")
    assert (images / "cann" / artifacts.FILE).read_bytes() == once


def test_a_changed_byte_in_a_recorded_file_is_refused(site: Site, files: Path) -> None:
    for path in files.glob("*.run"):
        site.add(path)
    altered = site.store / "cann" / "Ascend-cann-nnal_8.2.RC1_linux-aarch64.run"
    content = bytearray(altered.read_bytes())
    content[-1] ^= 1
    altered.unlink()  # it is a link to the file that was added
    altered.write_bytes(content)
    with pytest.raises(
        EnvironmentUnavailableError, match=r"are not what images/cann/artifacts\.toml records"
    ) as refused:
        site.require("cann", "8.2.RC1")
    assert [problem.where for problem in refused.value.problems] == [str(altered)]
    assert "SHA-256" in str(refused.value)


def test_a_recorded_file_that_is_gone_is_named_with_its_place(site: Site, files: Path) -> None:
    for path in files.glob("*.run"):
        site.add(path)
    gone = site.store / "cann" / "Ascend-cann-nnal_8.2.RC1_linux-aarch64.run"
    gone.unlink()
    with pytest.raises(EnvironmentUnavailableError) as refused:
        site.require("cann", "8.2.RC1")
    assert f"it belongs at {gone}" in str(refused.value)


def test_a_file_that_was_only_copied_there_is_not_trusted(site: Site, files: Path) -> None:
    name = "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run"
    (site.store / "cann").mkdir(parents=True)
    shutil.copy(files / name, site.store / "cann" / name)
    with pytest.raises(EnvironmentUnavailableError) as refused:
        site.require("cann", "8.2.RC1")
    assert f"kit image add-artifact {site.store / 'cann' / name}" in str(refused.value)


def test_another_file_of_the_same_name_replaces_the_record_only_when_asked(site: Site, files: Path) -> None:
    name = "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run"
    site.add(files / name)
    (files / "other").mkdir()
    other = makeself.write(files / "other" / name, "another", {"install.sh": "exit 0\n"})
    with pytest.raises(UsageError, match="is it the right file"):
        site.add(other)
    assert site.add(other, replace=True).record.sha256 == hashlib.sha256(other.read_bytes()).hexdigest()


def test_a_renamed_file_is_taken_under_its_own_name(site: Site, files: Path, tmp_path: Path) -> None:
    name = "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run"
    renamed = shutil.copy(files / name, tmp_path / "Ascend-cann-toolkit_8.2.RC1_linux-aarch64 (1).run")
    with pytest.raises(UsageError, match=f"--as {name}"):
        site.add(Path(renamed))
    assert site.add(Path(renamed), called=name).path == site.store / "cann" / name


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>log in</html>", "a web page"),
        (b"", "an empty file"),
        (b"PK\x03\x04 and more", "a zip archive"),
        (b"#!/bin/sh\necho hello\n", "a script"),
        (b"\x7fELF", "a program"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ],
    ids=["page", "empty", "zip", "script", "program", "pointer"],
)
def test_a_file_that_is_no_installer_is_refused_by_what_it_is(
    site: Site, tmp_path: Path, content: bytes, what: str
) -> None:
    path = tmp_path / "Ascend-cann-nnal_8.2.RC1_linux-aarch64.run"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"is no makeself installer, but {what}"):
        site.add(path)
    assert not site.store.exists()


def test_an_installer_that_was_cut_short_is_refused(site: Site, files: Path) -> None:
    path = files / "Ascend-cann-nnal_8.2.RC1_linux-aarch64.run"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UsageError, match="cut short: 7 bytes"):
        site.add(path)


def test_a_file_that_no_image_asks_for_is_refused(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "Ascend-hdk-910b-npu-driver_25.0.rc1.1_linux-aarch64.run"
    path.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(UsageError, match="no image asks for a file called"):
        site.add(path)


@pytest.mark.parametrize(
    ("tag", "platform", "python"),
    [
        ("py3-none-any", "any", None),
        ("cp311-cp311-linux_aarch64", ARM, "3.11"),
        ("cp311-cp311-manylinux_2_28_aarch64", ARM, "3.11"),
        ("cp310-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64", "linux/amd64", "3.10"),
    ],
)
def test_a_wheel_says_its_platform(tmp_path: Path, tag: str, platform: str, python: str | None) -> None:
    path = wheels.wheel(tmp_path, "torch-npu", "2.6.0", {}, tag=tag)
    told = recognise(path, "wheel")
    assert (told.name, told.version, told.platform, told.python) == ("torch-npu", "2.6.0", platform, python)


@pytest.mark.parametrize(
    "tag", ["cp311-cp311-macosx_11_0_arm64", "cp311-cp311-win_amd64", "cp311-cp311-musllinux_1_2_aarch64"]
)
def test_a_wheel_for_another_system_is_refused(site: Site, tmp_path: Path, tag: str) -> None:
    with pytest.raises(UsageError, match="is for"):
        site.add(wheels.wheel(tmp_path, "torch", "2.6.0", {}, tag=tag))


def test_a_renamed_wheel_is_refused_by_what_it_says_inside(site: Site, files: Path) -> None:
    path = (files / "torch-2.6.0+standin-py3-none-any.whl").rename(files / "torch-2.8.0-py3-none-any.whl")
    with pytest.raises(UsageError, match=r"says inside that it is torch 2\.6\.0\+standin"):
        site.add(path)


def test_a_damaged_wheel_is_refused(site: Site, tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "torch", "2.6.0", {"torch/data": "data " * 200})
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("torch/data").header_offset + 45
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        site.add(path)


def test_another_release_of_ftransformers_is_refused(site: Site, tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "ftransformers", "3.3.10", {})
    with pytest.raises(UsageError, match=r"ftransformers 3\.3\.10, and 3\.3\.1 is asked for"):
        site.add(path)


def test_further_wheels_come_along_and_are_installed_too(site: Site, files: Path) -> None:
    for path in files.glob("*.whl"):
        site.add(path)
    more = wheels.wheel(files, "sgl-kernel-npu", "1.0", {}, tag="cp311-cp311-linux_aarch64")
    with pytest.raises(UsageError, match="a further wheel: --name IMAGE"):
        site.add(more)
    site.add(more, image="ftransformers")
    ready = site.require("ftransformers", "3.3.1")
    assert artifacts.packages(one.record for one in ready) == {
        "ftransformers": "3.3.1+standin",
        "torch": "2.6.0+standin",
        "torch-npu": "2.6.0+standin",
        "sgl-kernel-npu": "1.0",
    }
    # Wheels for any platform fit the other one, too; the further wheel does not.
    assert len(site.require("ftransformers", "3.3.1", "linux/amd64")) == 3


def test_missing_wheels_are_told_apart_from_the_vendors_own_image(site: Site, files: Path) -> None:
    site.add(files / "torch-2.6.0+standin-py3-none-any.whl")
    with pytest.raises(EnvironmentUnavailableError) as refused:
        site.require("ftransformers", "3.3.1")
    assert [(found.where, "by way of image" in found.what) for found in refused.value.problems] == [
        ("ftransformers-3.3.1*.whl", False),
        ("torch_npu-2*.whl", False),
        ("*ftransformers*.tar*", True),
    ]


def test_the_vendors_own_image_is_identified_by_its_configuration(site: Site, tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "zhiwen-ftransformers-v3.3.1.tar")
    config = json.dumps({"architecture": "arm64", "os": "linux", "rootfs": {"type": "layers"}}).encode()
    site.add(path)
    (ready,) = site.require("ftransformers", "3.3.1")
    assert ready.record.identity == f"sha256:{hashlib.sha256(config).hexdigest()}"
    assert ready.record.platform == ARM


@pytest.mark.parametrize(
    ("name", "oci", "architecture", "what"),
    [
        (f"{'0' * 64}.json", False, "arm64", "configuration is not the one that its name states"),
        (None, True, "arm64", "an OCI archive without manifest.json"),
        (None, False, "riscv64", "is for linux/riscv64"),
    ],
    ids=["digest", "oci", "platform"],
)
def test_an_image_archive_that_no_engine_here_would_load_is_refused(
    site: Site, tmp_path: Path, name: str | None, oci: bool, architecture: str, what: str
) -> None:
    path = docker_archive(tmp_path / "ftransformers.tar", architecture=architecture, config_name=name, oci=oci)
    with pytest.raises(UsageError, match=what):
        site.add(path)


def test_an_image_archive_that_was_cut_short_is_refused(site: Site, tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "ftransformers.tar")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UsageError, match=r"cut short|is no image archive|not whole|without an image"):
        site.add(path)


def test_a_base_image_that_has_cann_already_needs_no_installers(site: Site) -> None:
    assert site.require("cann", "8.2.RC1", own_base=True) == ()


def test_a_base_image_does_not_stand_for_the_wheels(site: Site) -> None:
    with pytest.raises(EnvironmentUnavailableError):
        site.require("ftransformers", "3.3.1", own_base=True)


def test_some_installers_beside_a_base_that_has_cann_are_not_silently_left_out(site: Site, files: Path) -> None:
    site.add(files / "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run")
    with pytest.raises(EnvironmentUnavailableError):
        site.require("cann", "8.2.RC1", own_base=True)


@pytest.mark.parametrize(
    ("torch", "npu", "reason"),
    [
        ("2.8.0", "2.8.0", "2.8.0 is for CANN 8.3.RC1"),
        ("2.5.1", "2.6.0", "torch-npu 2.6.0 is built for torch 2.6.0, not 2.5.1"),
        ("2.6.0", "2.6.0.post5", "CANN 8.2.RC1 takes 2.6.0 or 2.5.1.post1 or 2.1.0.post13"),
        ("2.99.0", "2.99.0", "2.99.0 is in no line of the table"),
    ],
    ids=["cann", "torch", "post", "unknown"],
)
def test_a_torch_that_does_not_go_with_cann_is_refused(
    site: Site, tmp_path: Path, torch: str, npu: str, reason: str
) -> None:
    folder = tmp_path / "wrong"
    folder.mkdir()
    for path in wheels.write(folder, torch=torch, torch_npu=npu):
        site.add(path)
    with pytest.raises(EnvironmentUnavailableError, match=r"do not go with CANN 8\.2\.RC1") as refused:
        site.require("ftransformers", "3.3.1")
    assert reason in str(refused.value)


def test_every_pair_of_the_table_is_accepted_and_doubtful_ones_are_named() -> None:
    table = matrix.read(TABLE)
    for entry in table.cann:
        for npu in (*entry.torch_npu, *entry.unconfirmed):
            told = matrix.require(
                TABLE, cann=entry.version, torch=npu.partition(".post")[0], torch_npu=npu, python="3.11"
            )
            assert bool(told) == (npu in entry.unconfirmed)


def test_a_python_that_torch_does_not_exist_for_is_refused() -> None:
    with pytest.raises(EnvironmentUnavailableError, match=r"exists for Python 3\.9, 3\.10, 3\.11, not 3\.12"):
        matrix.require(TABLE, cann="8.2.RC1", torch="2.6.0", torch_npu="2.6.0", python="3.12")


def test_a_cann_that_is_not_in_the_table_is_refused_with_those_that_are() -> None:
    with pytest.raises(EnvironmentUnavailableError, match=r"CANN 7\.0\.0.*9\.1\.0, 9\.0\.0, 8\.5\.0"):
        matrix.require(TABLE, cann="7.0.0", torch="2.1.0", torch_npu="2.1.0", python=None)


def test_wheels_for_two_pythons_are_refused(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name, version, tag in (
        ("ftransformers", "3.3.1", "cp311-cp311-linux_aarch64"),
        ("torch", "2.6.0", "cp310-cp310-linux_aarch64"),
        ("torch-npu", "2.6.0", "cp311-cp311-linux_aarch64"),
    ):
        site.add(wheels.wheel(folder, name, version, {}, tag=tag))
    with pytest.raises(EnvironmentUnavailableError, match=r"more than one Python: 3\.10, 3\.11"):
        site.require("ftransformers", "3.3.1")


@pytest.mark.parametrize(
    "text", ["schema = 2\n", "schema = 1\nunknown = 3\n", "not toml", "schema = 1\n[[needed]]\nfile = 'a'\n"]
)
def test_a_list_of_vendor_files_that_cannot_be_read_says_so(images: Path, text: str) -> None:
    (images / "cann" / artifacts.FILE).write_text(text, "utf-8")
    with pytest.raises(KitError, match=r"artifacts\.toml"):
        artifacts.declared(images, "cann")
