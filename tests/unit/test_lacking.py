"""What images lack is told at once: of all that are asked for, and of those below them, before the first is begun."""

import shutil
import threading
from pathlib import Path

import pytest

from kit import images
from kit import plan as plans
from kit import profile as profiles
from kit.errors import EnvironmentUnavailableError, HostError
from kit.images import Image, artifacts, building, gathering, lacking
from kit.images.artifacts import adding
from kit.images.building import Wanted
from kit.images.gathering import Places
from kit.model import Environment
from kit.runtimes import debian, named_platform
from kit.runtimes.sources import requirements
from tests.fakes import FakeRuntime
from tests.image_store import FakeImages, config, tar
from tests.standins import cann, wheels

IMAGES = Path(__file__).resolve().parents[2] / "images"
ARM = "linux/arm64"
INSTALLERS = {
    "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run",
    "Ascend-cann-kernels-910b_8.2.RC1_linux-aarch64.run",
    "Ascend-cann-nnal_8.2.RC1_linux-aarch64.run",
}
WHEELS = {"ftransformers-3.3.1*.whl", "torch-2*.whl", "torch_npu-2*.whl"}
TAR = "*ftransformers*.tar*"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A machine where nothing was fetched and no vendor's file was added."""
    copied = tmp_path / "images"
    shutil.copytree(IMAGES, copied)
    for name in ("cann", "ftransformers"):
        path = copied / name / artifacts.FILE
        path.write_text(path.read_text("utf-8").partition(adding.MARK)[0], "utf-8")
    return Places(copied, tmp_path / "kit", tmp_path / "fetched", tmp_path / "added", tmp_path / "records")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The vendors' files of the original machine, as stand-ins."""
    folder = tmp_path / "files"
    folder.mkdir()
    cann.write(folder, "8.2.RC1", "aarch64")
    wheels.write(folder)
    return folder


def find(places: Places, *names: str) -> list[Image]:
    return [images.find(places.images, name, ARM) for name in names]


def add(places: Places, *files: Path) -> None:
    for file in files:
        adding.add(places.images, places.artifacts, file, lambda _: None)


def refused(places: Places, *names: str, store: FakeImages | None = None, wanted: Wanted | None = None) -> HostError:
    with pytest.raises(EnvironmentUnavailableError) as caught:
        building.require(find(places, *names), places, store or FakeImages(), wanted or Wanted())
    return caught.value


def where(error: HostError) -> set[str]:
    return {problem.where for problem in error.problems if problem.where}


def fill(places: Places, image: Image) -> None:
    """Names of files as fetching would leave them: whether they are whole is looked at when they are used."""
    folder = gathering.debs(image, places.fetched)
    folder.mkdir(parents=True, exist_ok=True)
    if image.definition.debian is not None:
        for package in debian.read_lock(image.packages_lock):
            (folder / package.file).touch()
    for pin in requirements(image.source.lock) if image.source is not None else ():
        name, version = pin.split("==")
        (places.fetched / f"{name.replace('-', '_')}-{version}-py3-none-any.whl").touch()


def test_an_image_names_the_files_of_those_below_it_too(places: Places) -> None:
    error = refused(places, "ftransformers")
    assert where(error) == {*INSTALLERS, *WHEELS, TAR}
    text = str(error)
    assert "ftransformers 3.3.1 for linux/arm64 needs files that only its vendor can give (" in text
    assert (
        "cann 8.2.RC1 for linux/arm64 needs files that only its vendor can give, unless ftransformers comes as" in text
    )
    assert "python-base: 88 of 88 Debian packages are not in" in text
    assert "(kit image fetch python-base --platform linux/arm64)" in text


def test_every_file_has_its_source_and_its_command(places: Places) -> None:
    for problem in refused(places, "ftransformers", "cann/8.5.0").problems:
        if problem.where:
            assert problem.hint.startswith("from: ")
            assert problem.hint.endswith(f"; then: kit image add-artifact {problem.where}")
    assert f"{places.artifacts}/IMAGE" in refused(places, "ftransformers", "cann/8.5.0").hint


def test_several_images_are_refused_in_one_list_that_says_everything_once(places: Places) -> None:
    error = refused(places, "evalscope", "cann/8.2.RC1", "cann/8.5.0", "ftransformers", "vllm-ascend")
    assert {"Ascend-cann-910b-ops_8.5.0_linux-aarch64.run", *INSTALLERS, *WHEELS} < where(error)
    text = str(error)
    for once in ("evalscope/1.0.1: its wheels are not in", "python-base: 88 of 88", "no digest of it is recorded"):
        assert text.count(once) == 1
    assert len({(problem.where, problem.what) for problem in error.problems}) == len(error.problems)


def test_what_is_there_is_not_asked_for(places: Places, files: Path) -> None:
    add(places, *files.glob("*.run"))
    fill(places, *find(places, "python-base"))
    assert where(refused(places, "ftransformers")) == {*WHEELS, TAR}
    add(places, *files.glob("*.whl"))
    building.require(find(places, "ftransformers"), places, FakeImages(), Wanted())


def test_an_image_that_stands_needs_nothing_and_neither_do_those_below_it(places: Places) -> None:
    store = FakeImages()
    (image,) = find(places, "cann")
    labels = {images.LABEL: images.inputs_digest(images.inputs(image))}
    store.put(config([tar({})], labels, "arm64"), [tar({})], image.platform_tag)
    assert where(refused(places, "ftransformers", store=store)) == {*WHEELS, TAR}
    assert where(refused(places, "cann", store=store, wanted=Wanted(again=True))) == INSTALLERS


def test_with_a_base_of_the_sites_own_nothing_below_is_missed(places: Places) -> None:
    store = FakeImages()
    store.put(config([tar({})], {}, "arm64"), [tar({})], "site/cann:1")
    assert where(refused(places, "ftransformers", store=store, wanted=Wanted(base="site/cann:1"))) == {*WHEELS, TAR}
    building.require(find(places, "cann"), places, store, Wanted(base="site/cann:1"))


def test_fetching_asks_for_vendor_files_of_all_images_first(places: Places) -> None:
    with pytest.raises(EnvironmentUnavailableError) as caught:
        lacking.to_fetch(find(places, "ftransformers", "cann/8.5.0", "evalscope"), places)
    assert {"Ascend-cann-910b-ops_8.5.0_linux-aarch64.run", *INSTALLERS, *WHEELS} < where(caught.value)
    assert "wheels are not in" not in str(caught.value)
    lacking.to_fetch(find(places, "evalscope", "vllm-ascend"), places)


def test_a_recorded_file_that_is_not_on_this_machine_is_missing(places: Places, files: Path) -> None:
    add(places, *files.glob("*.run"), *files.glob("*.whl"))
    gone = places.artifacts / "cann" / "Ascend-cann-toolkit_8.2.RC1_linux-aarch64.run"
    gone.unlink()
    assert f"it belongs at {gone}" in str(refused(places, "ftransformers"))


def test_vendor_files_that_were_carried_along_are_taken(places: Places, files: Path) -> None:
    add(places, *files.glob("*.run"))
    fill(places, *find(places, "python-base"))
    (places.fetched / "artifacts").mkdir()
    (places.artifacts / "cann").rename(places.fetched / "artifacts" / "cann")
    building.require(find(places, "cann"), places, FakeImages(), Wanted())


def test_a_run_is_refused_with_every_image_that_it_lacks(places: Places) -> None:
    def pin(name: str, variant: str | None) -> Environment:
        found = lacking.to_run(images.find(places.images, f"{name}/{variant}", ARM), places)
        raise EnvironmentUnavailableError(f"there is no image {name}:{variant}", hint=f"make {name}", problems=found)

    with pytest.raises(EnvironmentUnavailableError) as caught:
        plans.make(
            profiles.load("ascend-910b4x2-deepseek-r1-w8a8").profile,
            sha256="",
            runtime="docker",
            pin=pin,
            models=places.records,
            version=FakeRuntime().version,
        )
    assert where(caught.value) == {*INSTALLERS, *WHEELS, TAR}
    for said in ("there is no image ftransformers:3.3.1 (make ftransformers)", "there is no image evalscope:1.0.1"):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("variant", "meant"),
    [
        ("3.3.1-arm64", ("3.3.1", "linux/arm64")),
        ("latest-arm64", (None, "linux/arm64")),
        ("arm64", ("arm64", None)),
        ("3.3.1", ("3.3.1", None)),
        ("3.3.1-rc1", ("3.3.1-rc1", None)),
        (None, (None, None)),
    ],
)
def test_a_version_may_end_in_its_platform(variant: str | None, meant: tuple[str | None, str | None]) -> None:
    assert named_platform(variant) == meant


def test_two_that_fetch_into_one_folder_take_turns(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each adds to what it finds in the folder: at once, one would take away what the other wrote."""
    (image,) = find(places, "llamacpp")
    gathered, begun, told, end = Path("gathered.txt"), threading.Event(), list[str](), threading.Event()

    def gather(*_: object) -> None:
        path = places.fetched / gathered
        before = path.read_text("utf-8") if path.is_file() else ""
        begun.set()
        assert end.wait(60)
        path.write_text(f"{before}once\n", "utf-8")

    def tell(line: str) -> None:
        told.append(line)
        end.set()

    monkeypatch.setattr(gathering, "_fetch", gather)
    first = threading.Thread(target=gathering.fetch, args=(image, places, told.append))
    first.start()
    assert begun.wait(60)
    gathering.fetch(image, places, tell)
    first.join()
    assert (places.fetched / gathered).read_text("utf-8") == "once\nonce\n"
    assert told == [f"llamacpp: another kit fetches into {places.fetched}, waiting for it"]
