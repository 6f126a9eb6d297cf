"""Models before a run: whole, with a tokenizer that runs no code of its own, and no larger than the memory."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import doctor, weights
from kit.errors import HostError
from tests import ascend_host
from tests.unit.sites import EVEN, Site, safetensors, site

__all__ = ["site"]


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _vast(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda f: (f / "w8a8/model-00002-of-00002.safetensors").unlink(),
            "1 of 2 files of model.safetensors.index.json",
        ),
        (lambda f: _cut(f / "w8a8/model-00002-of-00002.safetensors"), "bytes, its header tells"),
        (
            lambda f: (f / "w8a8/model-00001-of-00002.safetensors").write_bytes(b""),
            "model-00001-of-00002.safetensors is empty",
        ),
        (lambda f: (f / "w8a8/model-00001-of-00002.safetensors").write_bytes(b"x" * 300), "has no whole header"),
        (lambda f: (f / "w8a8/model.safetensors.index.json").write_text("{"), "is no index of weights"),
        (lambda f: (f / "int4/experts.safetensors").unlink(), "holds no weights"),
        (lambda f: (f / "w8a8").rename(f / "elsewhere"), "is not on this machine"),
        (lambda f: (f / "w8a8/tokenizer_config.json").unlink(), "has no tokenizer_config.json"),
        (lambda f: (f / "w8a8/tokenizer_config.json").write_text("{}"), "has no chat template"),
        (lambda f: (f / "w8a8/tokenizer.json").write_text('{"half":'), "tokenizer.json is not whole"),
        (lambda f: (f / "w8a8/tokenizer.json").unlink(), "has no vocabulary"),
        (lambda f: _pipe(f / "w8a8/model.safetensors.index.json"), "index.json: it is no plain file"),
        (lambda f: _vast(f / "w8a8/SHA256SUMS"), "SHA256SUMS cannot be read: it is larger than"),
        (lambda f: _pipe(f / "w8a8/tokenizer.json"), "tokenizer.json cannot be read: it is no plain file"),
        (lambda f: _pipe(f / "w8a8/config.json"), "config.json cannot be read: it is no plain file"),
    ],
)
def test_a_model_that_is_not_whole_is_told(site: Site, damage: "object", said: str) -> None:
    assert callable(damage)
    damage(site.model)
    assert any(line.startswith("fail") and said in line for line in site.wrong()), site.wrong()


MAPPED = '"auto_map": {"AutoTokenizer": "own.Tokenizer"}'
TEMPLATE = '"chat_template": "{{ messages }}"'


@pytest.mark.parametrize("name", ["tokenizer_config.json", "config.json"])
@pytest.mark.parametrize(
    "hide",
    [
        lambda path: os.truncate(path, 1 << 40),
        lambda path: path.write_text(f'{{{TEMPLATE}, {MAPPED}, "deep": {"[" * 200}{"]" * 200}}}'),
    ],
    ids=["vast", "deep"],
)
def test_code_beside_the_tokenizer_cannot_hide_in_a_file_that_kit_does_not_read(
    site: Site, hide: Callable[[Path], object], name: str
) -> None:
    hide(site.model / "w8a8" / name)
    assert any("cannot be searched for code of its own" in line for line in site.wrong())
    with pytest.raises(HostError, match="cannot be forced"):
        doctor.require(site.checks(), "cards", force=True)


@pytest.mark.parametrize(
    ("settings", "config", "runs"),
    [
        (f"{{{TEMPLATE}, {MAPPED}}}", "{}", True),
        (f'{{{TEMPLATE}, "tokenizer_class": "X", {MAPPED}}}', "{}", True),
        (f"{{{TEMPLATE}}}", f"{{{MAPPED}}}", True),
        (f'{{{TEMPLATE}, "tokenizer_class": "LlamaTokenizerFast"}}', f"{{{MAPPED}}}", False),
        (f"{{{TEMPLATE}}}", "{}", False),
    ],
)
def test_code_beside_the_tokenizer_runs_only_where_the_profile_says_so(
    site: Site, settings: str, config: str, *, runs: bool
) -> None:
    (site.model / "w8a8" / "tokenizer_config.json").write_text(settings)
    (site.model / "w8a8" / "config.json").write_text(config)
    assert any("brings code of its own" in line for line in site.wrong()) == runs
    if runs:
        with pytest.raises(HostError, match="cannot be forced"):
            doctor.require(site.checks(), "cards", force=True)
    site.settings = ("load.trust_remote_code=true",)
    assert site.wrong() == [EVEN]


def test_what_may_be_forced_is_forced(site: Site) -> None:
    (site.model / "w8a8" / "tokenizer.json").unlink()
    with pytest.raises(HostError):
        doctor.require(site.checks(), "cards")
    doctor.require(site.checks(), "cards", force=True)


def test_shards_that_count_themselves_need_no_index(tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / f"m-{number:05d}-of-00003.safetensors").write_bytes(safetensors(1))
    assert weights.look(tmp_path).problems == ("1 of 3 shards are missing, such as m-00002-of-00003.safetensors",)
    for number in (0, 1, 2):
        (tmp_path / f"z-{number:05d}-of-00003.gguf").write_bytes(b"GGUF....")
    assert len(weights.look(tmp_path).problems) == 1


def test_weights_that_stay_in_main_memory_must_fit_there(site: Site) -> None:
    with open(site.model / "int4" / "more.bin", "wb") as file:
        file.truncate(3 * 1024**3)
    site.changes = {**ascend_host.available(2)}
    assert "fail main memory: 2 GiB available" in site.wrong()
    site.changes = {**ascend_host.available(3.05)}
    assert "warn main memory: 3 GiB available" in site.wrong()


def test_digests_are_those_of_sha256sum_and_tell_what_changed(site: Site) -> None:
    folder = site.model / "int4"
    lines = [f"{value}  {name}\n" for value, name in weights.digests(folder)]
    told = hashlib.sha256((folder / "experts.safetensors").read_bytes()).hexdigest()
    assert lines == [f"{told}  experts.safetensors\n"]
    (folder / weights.LIST).write_text("".join(lines))
    assert site.wrong(digests=True) == [f"warn digests {site.model}/w8a8: there is no SHA256SUMS", EVEN]
    content = bytearray((folder / "experts.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "experts.safetensors").write_bytes(content)
    assert site.wrong() == [EVEN]  # the size is the same, and nobody asked for the contents
    told = f"fail digests {folder}: experts.safetensors holds something else than the list says"
    assert told in site.wrong(digests=True)
    (folder / weights.LIST).write_text("nonsense\n")
    assert "line 1 is not of the form that sha256sum writes" in "\n".join(site.wrong())


def test_a_model_larger_than_its_cards_is_told(site: Site) -> None:
    site.settings = ("server.args.1=[--x]",)
    with open(site.model / "w8a8" / "more.bin", "wb") as file:
        file.truncate(129 * 1024**3)
    assert "fail memory of the cards: 128 GiB on 2 cards" in site.wrong()


@given(st.binary(max_size=200))
def test_a_file_of_weights_may_hold_anything(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("weights")
    (folder / "model.safetensors").write_bytes(content)
    (folder / "model.safetensors.index.json").write_bytes(content)
    assert weights.look(folder).problems
