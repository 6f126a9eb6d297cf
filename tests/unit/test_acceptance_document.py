"""The documentation of acceptance: its example is one, and every metric and sentence it names is kit's."""

import re
from pathlib import Path

import yaml

from kit.model.acceptance import PERCENTILES, RATES, SUCCESS_RATE, TIMES, Acceptance
from kit.texts import CATALOGUE

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_example_is_a_set_of_criteria() -> None:
    text = re.search(r"```yaml\n(.*?)```", (DOCS / "acceptance.md").read_text("utf-8"), re.DOTALL)
    assert text is not None
    found = Acceptance.model_validate(yaml.safe_load(text[1])["acceptance"])
    assert len(found.limits) == 3
    assert len(found.tolerance) == 3
    assert found.waivers[0].name == "张三"


def test_every_metric_and_conclusion_is_named() -> None:
    text = (DOCS / "acceptance.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in (*TIMES, *RATES, SUCCESS_RATE))
    assert all(f"`_{name.rpartition('_')[2]}`" in text for name in PERCENTILES)
    assert CATALOGUE["verdict-met"][0] in text
    for key in ("met", "not-met", "uncertain", "waived"):
        assert CATALOGUE[f"outcome-{key}"][0] in text
