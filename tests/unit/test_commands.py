"""Commands as a person would type them."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.commands import shell
from kit.model import Environment, Program, Secret

HERE = Environment(name="x", kind="lock", digest="sha256:0")

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def program(**more: object) -> Program:
    return Program.model_validate({"name": "load", "environment": HERE, "argv": ("x",), **more})


@given(st.lists(words, min_size=1, max_size=6), words)
def test_a_shell_reads_back_the_very_arguments(argv: list[str], value: str) -> None:
    command = shell(program(env=(("NAME", value),)), argv)
    assert shlex.split(command) == [f"NAME={value}", *argv]


def test_variables_stand_before_the_program_in_their_order() -> None:
    command = shell(program(env=(("B", "1 2"), ("A", "$HOME"))), ["evalscope", "perf", "--x", '{"a": true}'])
    assert command == "B='1 2' A='$HOME' evalscope perf --x '{\"a\": true}'"


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        (Secret(env="MY_KEY"), 'KIT_API_KEY="$MY_KEY" x'),
        (Secret(file="/run/my key"), "KIT_API_KEY=\"$(cat '/run/my key')\" x"),
        (Secret(file="~/my key"), "KIT_API_KEY=\"$(cat ~/'my key')\" x"),
        (None, "x"),
    ],
)
def test_a_secret_is_written_as_where_it_comes_from(secret: Secret | None, written: str) -> None:
    assert shell(program(secrets=("KIT_API_KEY",)), ["x"], secret) == written
