"""What comes from outside is shown, and does nothing to whoever looks at it."""

import json
import re
from datetime import UTC, datetime

import pytest
from rich.text import Text

from kit.cli import output
from kit.cli.terminal import echo, echo_json
from kit.model import RunStatus

ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
HOSTILE = "a\x1b]0;title\x07b\x1b[31mc\x9b2Jd\x9d0;t\x9ce\u202ef\u2066g\u200fh\u061ci\rj\x85k\x7fl\n\tm 中文"
SAFE = "abcdefghijkl\n\tm 中文"


@pytest.mark.parametrize("err", [False, True])
def test_no_text_acts_on_the_terminal(capsys: pytest.CaptureFixture[str], err: bool) -> None:
    echo(HOSTILE, err=err)
    said = capsys.readouterr()
    assert (said.err if err else said.out) == f"{SAFE}\n"


def test_json_stays_the_same_data_and_acts_on_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json(json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False))
    said = capsys.readouterr().out
    assert ACTS.search(said) is None
    assert "中文" in said
    assert json.loads(said) == {HOSTILE: HOSTILE}


def test_a_run_of_somebody_else_acts_on_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    started = datetime(2026, 11, 23, 13, 5, 7, tzinfo=UTC)
    output.run(
        RunStatus(
            run=HOSTILE,
            status="incomplete",
            kit_version="1",
            profile="p",
            started=started,
            rounds_planned=1,
            reason=HOSTILE,
        )
    )
    said = capsys.readouterr().out
    assert ACTS.search(said) is None
    assert "\n        m 中文" in said


def test_a_table_keeps_its_own_colours_and_none_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    output.Terminal(force_terminal=True, color_system="standard").print(Text(HOSTILE, style="red"))
    said = capsys.readouterr().out
    assert said.startswith("\x1b[31ma")
    assert ACTS.search(said.replace("\x1b[31m", "").replace("\x1b[0m", "")) is None
