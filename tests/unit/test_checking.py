"""`kit profile check`: what a profile names exists, and all that is wrong is told at once."""

from pathlib import Path

import pytest

from kit.errors import ProfileError
from kit.workflows import checking
from tests.unit.profiles import RUNNING, STARTED


def written(folder: Path, text: str) -> str:
    (folder / "p.yaml").write_text(text, "utf-8")
    return str(folder / "p.yaml")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("sglan", "server.image (from --set): unknown: 'sglan' (did you mean 'sglang'? there are: "),
        ("llamacpp/9", "server.image (from --set): llamacpp has no version '9' (write llamacpp)"),
        ("ftransformers/9-arm64", "server.image (from --set): ftransformers has no version '9' (its versions: 3.3.1)"),
    ],
)
def test_an_image_that_there_is_not_is_told_beside_all_else(tmp_path: Path, image: str, said: str) -> None:
    path = written(tmp_path, STARTED)
    with pytest.raises(ProfileError) as caught:
        checking.check(path, [f"server.image={image}", "load.version=9.9.9", "server.prot=1"])
    told = [str(problem) for problem in caught.value.problems]
    assert [one.partition(" ")[0] for one in told] == ["server.prot", "load.version", "server.image"]
    assert told[-1].startswith(said)


@pytest.mark.parametrize(
    ("image", "contained"),
    [("llamacpp", False), ("sglang", True), ("ftransformers/3.3.1-arm64", True), ("sglang/latest-amd64", True)],
)
def test_an_image_without_an_environment_is_for_containers_only(tmp_path: Path, image: str, contained: bool) -> None:
    assert checking.check(written(tmp_path, STARTED), [f"server.image={image}"]).contained == contained


def test_an_endpoint_has_no_image_to_look_for(tmp_path: Path) -> None:
    assert not checking.check(written(tmp_path, RUNNING), []).contained


def test_a_baseline_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("nothing of the kind\n", "utf-8")
    with pytest.raises(ProfileError, match="baseline"):
        checking.check(written(tmp_path, STARTED), ["acceptance.baseline=b.csv"])
