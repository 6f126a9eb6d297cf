"""Images on a real engine: equal wherever they are built, what is altered is named, and they are carried to other engines."""

import gc
import hashlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kit import images
from kit.images import archive, building, contents, gathering, loading, record
from kit.runtimes.docker.engine import Engine
from kit.runtimes.docker.images import DockerImages
from kit.workflows import imaging
from tests.image_store import config, docker_save, tar
from tests.integration.driver import Kit, shared_cache
from tests.integration.engines import own_podman

pytestmark = [
    pytest.mark.docker,
    pytest.mark.xdist_group("docker"),
    # The SDK leaves the sockets of failed connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NAME = "llamacpp"
VICTIM = "xllamacpp"
NAMED = "kit/named-by-two:latest"


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What the SDK left is collected while this module's tests still run."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def store() -> Iterator[DockerImages]:
    with closing(Engine()) as engine:
        yield DockerImages(engine)


@dataclass(frozen=True)
class Made:
    """The image of these tests, as a build left it."""

    image: images.Image
    tag: str
    id: str
    content: str


@pytest.fixture(scope="module")
def made(store: DockerImages) -> Made:
    """The image, built on this machine from what is in the shared cache."""
    where = replace(imaging.places(shared_cache() / "fetched"), records=shared_cache() / "images")
    image = images.find(where.images, NAME, store.platform())
    gathering.fetch(image, where, _silent)
    outcome = building.build(image, where, store, _silent)
    assert outcome.built is not None
    return Made(image, image.platform_tag, outcome.id, outcome.built.content)


def _silent(_: str) -> None:
    pass


@pytest.fixture
def command(tmp_path: Path) -> Kit:
    """kit with the shared cache, in a directory of its own; nothing of the process runtime is needed."""
    return Kit(tmp_path, shared_cache())


def test_built_twice_from_clean_folders_the_content_is_the_same_and_as_recorded(
    made: Made, store: DockerImages, tmp_path: Path
) -> None:
    """Also on another machine: the record that comes with kit was written on one."""
    places = imaging.places(tmp_path / "fetched")
    clean = replace(places, records=tmp_path / "records", artifacts=tmp_path / "artifacts")
    gathering.fetch(made.image, clean, _silent)
    base = made.image.base()
    assert base is not None
    found = []
    for image in (base, made.image):
        outcome = building.build(image, clean, store, _silent, building.Wanted(again=True))
        assert outcome.changed
        assert outcome.built is not None
        # Read anew, not looked up.
        with store.files(outcome.id) as stream:
            found.append(contents.read(stream).digest)
    recorded = [record.read(places.images).of(image) for image in (base, made.image)]
    assert found == [one.content if one is not None else None for one in recorded]
    assert found[1] == made.content


def test_a_changed_byte_in_a_wheel_is_refused_at_fetch(made: Made, command: Kit, tmp_path: Path) -> None:
    folder = tmp_path / "fetched"
    shutil.copytree(shared_cache() / "fetched", folder, copy_function=os.link)
    machine = images.MACHINES[made.image.platform]
    (wheel,) = folder.glob(f"{VICTIM}-*{machine}.whl")
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.unlink()
    wheel.write_bytes(content)
    done = command.run("image", "fetch", NAME, "--out", str(tmp_path / "out"), env={"KIT_WHEELS": str(folder)})
    assert done.code == 3
    assert VICTIM in done.err
    assert hashlib.sha256(content).hexdigest() in done.err
    assert not list((tmp_path / "out").glob(wheel.name))


def test_a_changed_file_in_an_image_is_named(made: Made, command: Kit) -> None:
    recipe = (
        f"FROM {made.tag}\nUSER 0\nRUN echo altered >> /opt/kit/env/kit/serve.py && rm /etc/issue && touch /added\n"
    )
    try:
        subprocess.run(
            ["docker", "build", "--quiet", "--tag", made.tag, "-"],
            input=recipe.encode(),
            capture_output=True,
            check=True,
        )
        done = command.run("image", "verify", NAME)
        assert done.code == 6, done.err
        assert "/opt/kit/env/kit/serve.py: changed (size, content)" in done.err
        assert "/etc/issue: missing" in done.err
        assert "/added: added" in done.err
    finally:
        subprocess.run(["docker", "tag", made.id, made.tag], check=True)
    done = command.run("image", "verify", NAME)
    assert (done.code, made.content in done.out) == (0, True), done.err


def test_an_unchanged_image_is_not_built_again(made: Made, command: Kit) -> None:
    done = command.run("image", "build", NAME)
    assert (done.code, made.id in done.out, "unchanged" in done.out) == (0, True, True), done.err


def test_an_image_is_carried_to_podman_and_verified_there(made: Made, command: Kit, tmp_path: Path) -> None:
    """An engine of another maker, which takes only what every engine takes."""
    saved = command.run("image", "save", NAME, "-o", "images.tar.gz")
    assert saved.code == 0, saved.err
    archive = tmp_path / "images.tar.gz"
    assert hashlib.sha256(archive.read_bytes()).hexdigest() in saved.out
    if os.geteuid() != 0:
        return
    with own_podman() as engine:
        there = {"DOCKER_HOST": engine.address, "KIT_CACHE": str(tmp_path / "cache")}
        loaded = command.run("image", "load", "images.tar.gz", env=there)
        assert (loaded.code, made.id in loaded.out) == (0, True), loaded.err
        done = command.run("image", "verify", NAME, env=there)
        assert (done.code, made.content in done.out) == (0, True), done.err


def test_an_image_says_what_it_contains(made: Made, command: Kit) -> None:
    done = command.run("image", "sbom", NAME)
    assert done.code == 0, done.err
    found = {part["name"]: part["version"] for part in json.loads(done.out)["components"]}
    assert found[VICTIM] == made.image.packages()[VICTIM]
    assert found["python3.11"].startswith("3.11")


def test_the_list_tells_size_and_digest(made: Made, command: Kit) -> None:
    done = command.run("image", "list", "--json")
    (line,) = [one for one in json.loads(done.out) if (one["name"], one["platform"]) == (NAME, made.image.platform)]
    assert (line["state"], line["id"], line["content"]) == ("built", made.id, made.content)
    assert line["size_bytes"] <= 350_000_000


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_image_of_a_bundle_takes_no_name_of_this_machine(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "podman" and (shutil.which("podman") is None or os.geteuid() != 0):
        pytest.skip("this machine has no podman, or it is not root's")
    layers = [tar({"is": b"mine"}), tar({"is": b"theirs"})]
    mine, theirs = (config([layer], {"of": str(number)}) for number, layer in enumerate(layers))
    packed = tar(docker_save(theirs, [NAMED], layers[1:]))
    (held,), _ = archive.look(io.BytesIO(packed))
    with own_podman() if engine == "podman" else nullcontext() as own, closing(Engine()) as opened:
        if own is not None:
            monkeypatch.setenv("DOCKER_HOST", own.address)
        store = DockerImages(opened)
        try:
            store.load("mine", [tar(docker_save(mine, [NAMED], layers[:1]))])
            before = store.find(NAMED)
            store.load("theirs", loading.renamed(io.BytesIO(packed), [held]))
            assert store.find(NAMED) == before
            for name in (held.id, loading.by_id(held.id)):
                found = store.find(name)
                assert found is not None
                assert (found.id, found.labels) == (held.id, {"of": "1"})
        finally:
            for name in (NAMED, loading.by_id(held.id)):
                store.untag(name)
