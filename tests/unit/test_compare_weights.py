"""The weights that a run served: what is recorded of them, and when two runs are refused because of them."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from kit import comparing, engines, weights
from kit.comparing.runs import of_run
from kit.comparing.sides import Side
from kit.errors import NotComparableError
from kit.model import ServerStart
from kit.model.bundle import WeightFile, Weights
from kit.store import RunDir
from tests.fakes import BEGIN
from tests.unit.planted import planted

ONE = "    - {input: 128, output: 512, concurrency: [1, 2]}\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return planted(tmp_path_factory.mktemp("runs"), "a", 1, cases=ONE)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "DeepSeek-R1-W8A8"
    folder.mkdir()
    (folder / "config.json").write_text('{"layers": 61}')
    (folder / "model.safetensors").write_bytes(b"weights" * 100)
    (folder / "README.md").write_text("how to use it")
    return folder


def with_served(side: Side, name: str, *found: Weights) -> Side:
    return replace(side, name=name, weights=found)


def refused(*sides: Side) -> dict[str, str]:
    with pytest.raises(NotComparableError) as caught:
        comparing.make(sides, "en")
    assert caught.value.exit_code == 5
    assert "--allow weights" in (caught.value.hint or "")
    return {problem.where: problem.what for problem in caught.value.problems}


# --- what is recorded --------------------------------------------------------------------------------------------


def test_small_files_are_read_and_of_large_ones_the_list_tells(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_READ_BYTES", 100)
    told = {file.name: file for file in weights.named(model).files}
    assert told["config.json"].sha256 == hashlib.sha256(b'{"layers": 61}').hexdigest()
    assert told["model.safetensors"] == WeightFile(name="model.safetensors", size=700)
    (model / weights.LIST).write_text(f"{'a' * 64}  config.json\n{'b' * 64}  model.safetensors\n")
    told = {file.name: file for file in weights.named(model).files}
    # What was read counts more than what a list says of it.
    assert told["config.json"].sha256 == hashlib.sha256(b'{"layers": 61}').hexdigest()
    assert told["model.safetensors"].sha256 == "b" * 64


def test_all_together_no_more_is_read_than_is_cheap(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_READ_BYTES_TOGETHER", 710)
    assert [file.name for file in weights.named(model).files if file.sha256] == ["README.md", "config.json"]


def test_a_single_file_is_its_own_model(tmp_path: Path) -> None:
    path = tmp_path / "toy.gguf"
    path.write_bytes(b"GGUF")
    (only,) = weights.named(path).files
    assert (only.name, only.size, only.sha256) == ("toy.gguf", 4, hashlib.sha256(b"GGUF").hexdigest())


@pytest.mark.parametrize(
    ("engine", "words", "found"),
    [
        ("sglang", ("--model-path", "/m/a", "--kt-weight-path", "/m/b"), ("/m/a", "/m/b")),
        ("sglang", ("--model-path=/m/a",), ("/m/a",)),
        ("vllm-ascend", ("/m/a", "--port", "1"), ("/m/a",)),
        ("vllm-ascend", ("--port", "1", "--model", "/m/a"), ("/m/a",)),
        ("llamacpp", ("--model", "/m/a.gguf"), ("/m/a.gguf",)),
        ("reference", ("--model", "reference"), ()),
    ],
)
def test_an_engines_command_names_its_weights(engine: str, words: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert engines.weights(engine, (*engines.ENGINES[engine].COMMAND, *words)) == found


def test_a_run_tells_what_its_server_read(run: RunDir, model: Path) -> None:
    found = weights.named(model)
    path = run.path / "server" / "phases.json"
    old = path.read_bytes()
    assert of_run(run).weights == ()
    try:
        path.write_bytes(ServerStart(started=BEGIN, ready_s=1.0, phases=(), weights=(found,)).to_json())
        assert of_run(run).weights == (found,)
        again = run.path / "server-2" / "phases.json"
        again.parent.mkdir()
        (model / "config.json").write_text("{}")
        again.write_bytes(ServerStart(started=BEGIN, ready_s=1.0, phases=(), weights=(weights.named(model),)).to_json())
        side = of_run(run)
        assert side.weights == ()
        assert side.keys["weights"] == f"changed between the starts of {run.name}"
        again.unlink()
        again.parent.rmdir()
    finally:
        path.write_bytes(old)


def test_starts_of_an_older_kit_tell_of_no_weights() -> None:
    data = json.loads(ServerStart(started=BEGIN, ready_s=1.0, phases=()).to_json())
    del data["weights"]
    assert ServerStart.model_validate(data).weights == ()


# --- what is refused ---------------------------------------------------------------------------------------------


def test_another_file_of_the_same_name_is_refused(run: RunDir, model: Path) -> None:
    side, first = of_run(run), weights.named(model)
    (model / "config.json").write_text('{"layers": 62}')
    found = refused(with_served(side, "a", first), with_served(side, "b", weights.named(model)))
    assert set(found) == {"weights: config.json"}
    assert "a has 14 bytes, sha256:" in found["weights: config.json"]


def test_files_that_are_missing_or_of_another_size_are_refused_and_counted(run: RunDir, model: Path) -> None:
    side, first = of_run(run), weights.named(model)
    for number in range(8):
        (model / f"model-{number}.safetensors").write_bytes(b"x")
    found = refused(with_served(side, "a", first), with_served(side, "b", weights.named(model)))
    assert len(found) == 6
    assert "a has —, b has 1 bytes" in found["weights: model-0.safetensors"]
    assert "weights: 3 more files" in found


def test_a_differing_readme_is_nothing(run: RunDir, model: Path) -> None:
    side, first = of_run(run), weights.named(model)
    (model / "README.md").write_text("how to use it, and more")
    made = comparing.make((with_served(side, "a", first), with_served(side, "b", weights.named(model))), "en")
    assert "weights" not in dict(made.unknown)


def test_whole_digests_prove_more_than_the_names_of_folders(run: RunDir, model: Path) -> None:
    side, found = of_run(run), weights.named(model)
    other = replace(
        with_served(side, "b", found.model_copy(update={"path": "/data/r1"})), keys={**side.keys, "weights": "r1"}
    )
    comparing.make((with_served(side, "a", found), other), "en")
    without = found.model_copy(
        update={"files": tuple(file.model_copy(update={"sha256": None}) for file in found.files)}
    )
    assert set(refused(with_served(side, "a", found), replace(other, weights=(without,)))) == {"weights"}
    quantised = replace(other, arguments=(*other.arguments, ("--quantization", "w4a8")))
    assert set(refused(with_served(side, "a", found), quantised)) == {"weights"}


def test_what_nobody_read_is_unknown_and_not_equal(run: RunDir, model: Path) -> None:
    side, found = of_run(run), weights.named(model)
    without = found.model_copy(
        update={
            "files": tuple(
                file.model_copy(update={"sha256": None}) if file.name == "model.safetensors" else file
                for file in found.files
            )
        }
    )
    made = comparing.make(
        (with_served(side, "a", found), with_served(side, "b", without), replace(side, name="c")), "en"
    )
    assert dict(made.unknown)["weights"] == ("b", "c")
