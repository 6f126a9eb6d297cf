"""Names of facts and stored reasons in the reader's language."""

import re
from pathlib import Path

import pytest

from kit import inventory
from kit.inventory import comparing
from kit.texts import facts
from tests.fakes import FakeHost

RECORDED = Path(__file__).parent / "recorded"
_ENGLISH = re.compile(r"[a-z]{3,} [a-z]{3,}|, (?:bytes|MHz|W|GiB)\b| (?:name|devices|health)$")
"""Words that a Chinese reader should not have to read; names such as Docker, or driver 25.0, stay."""


@pytest.mark.parametrize("machine", sorted(path.name for path in RECORDED.iterdir() if path.is_dir()))
def test_every_fact_of_a_machine_has_a_chinese_name(machine: str) -> None:
    named = [fact.name for fact in comparing.facts(inventory.collect(FakeHost(RECORDED / machine)).inventory)]
    assert [name for name in named if _ENGLISH.search(facts.fact("zh-CN", name))] == []
    assert [facts.fact("en", name) for name in named] == named


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("weights: model-00001.safetensors", "权重：model-00001.safetensors"),
        ("weights: 7 more files", "权重：另 7 个文件"),
        ("environment sglang 0.5.3", "运行环境 sglang 0.5.3"),
        ("Huawei 0.1 memory, bytes", "Huawei 0.1 显存（字节）"),
        ("--tensor-parallel-size", "--tensor-parallel-size"),
    ],
)
def test_what_has_a_name_of_its_own_keeps_it(name: str, said: str) -> None:
    assert facts.fact("zh-CN", name) == said


def test_reasons_of_kits_own_are_said_in_chinese_and_those_of_tools_as_they_are() -> None:
    assert facts.reason("zh-CN", "the profile names no accelerators") == "测试方案未指定加速卡"
    assert facts.reason("zh-CN", "the tool printed 1 of 2 cards") == "工具只给出 2 张卡中的 1 张"
    assert facts.reason("zh-CN", "npu-smi does not exist here") == "npu-smi does not exist here"
    assert facts.reason("en", "the profile names no accelerators") == "the profile names no accelerators"
