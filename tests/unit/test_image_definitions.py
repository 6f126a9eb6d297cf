"""The definitions of images, as they come with kit."""

import shutil
from pathlib import Path

import pytest

from kit import images
from kit.errors import UsageError
from kit.images import record
from kit.resources import folder
from kit.runtimes.sources import requirements

IMAGES = folder("images")
ROOT = IMAGES.parent


def test_kits_images_are_defined_for_both_platforms() -> None:
    names = {"cann", "evalscope", "ftransformers", "kit", "llamacpp", "python-base", "sglang-ascend", "vllm-ascend"}
    assert set(images.names(IMAGES)) >= names
    platforms: dict[str, set[str]] = {}
    for image in (image for image in images.every(IMAGES) if image.name in names):
        platforms.setdefault(image.title, set()).add(image.platform)
        assert image.definition.reference or image.epoch() > 0
    assert all(found == set(images.PLATFORMS) for found in platforms.values())


def test_kits_own_image_has_what_a_checkout_has() -> None:
    assert requirements(IMAGES / "kit" / "requirements.lock") == requirements(ROOT / "requirements.lock")


def test_the_record_is_of_these_inputs() -> None:
    """After a change of an image's inputs: kit image build NAME --lock, for both platforms."""
    lock = record.read(IMAGES)
    wanted = [image for image in images.every(IMAGES) if image.name in ("python-base", "llamacpp", "evalscope")]
    found = {image.title + image.platform: lock.of(image) for image in wanted}
    assert {title: built.inputs_digest if built else None for title, built in found.items()} == {
        image.title + image.platform: images.inputs_digest(images.inputs(image)) for image in wanted
    }


def test_inputs_are_the_same_wherever_they_lie_and_differ_with_every_file(tmp_path: Path) -> None:
    shutil.copytree(IMAGES, tmp_path / "images", ignore=shutil.ignore_patterns("__pycache__"))

    def digest(base: Path) -> str:
        return images.inputs_digest(images.inputs(images.find(base, "llamacpp", "linux/amd64")))

    before = digest(IMAGES)
    assert digest(tmp_path / "images") == before
    for name in ("llamacpp/Dockerfile", "llamacpp/serve.py", "llamacpp/requirements.lock", "finish.py", "pip.lock",
                 "python-base/debs-amd64.lock", "python-base/image.toml"):  # fmt: skip
        path = tmp_path / "images" / name
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        assert digest(tmp_path / "images") != before, name
        path.write_bytes(content)
    assert digest(tmp_path / "images") == before


@pytest.mark.parametrize(
    ("reference", "platform", "says"),
    [
        ("nosuch", "linux/amd64", "one of: cann"),
        ("evalscope/9", "linux/amd64", "its versions: 1.0.1, 1.14.1"),
        ("evalscope", "linux/riscv64", "its platforms: linux/amd64, linux/arm64"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(reference: str, platform: str, says: str) -> None:
    with pytest.raises(UsageError) as told:
        images.find(IMAGES, reference, platform)
    assert says in told.value.hint
