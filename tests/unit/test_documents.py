"""YAML from outside."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kit import documents
from kit.errors import KitError, ProfileError, UsageError


def read(text: str) -> documents.Data:
    return documents.read(text, "p.yaml", {})


def test_every_value_is_found_by_its_line() -> None:
    lines: dict[documents.Place, int] = {}
    documents.read("a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "p.yaml", lines)
    assert lines[("a",)] == 1
    assert lines[("b", 0)] == 3
    assert lines[("b", 1, "c")] == 4
    assert lines[("b", 1, "d")] == 5


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1.10", "1.10"),
        ("2e3", "2e3"),
        ("0755", "0755"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-11-23", "2026-11-23"),
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("=", "="),
        ("<<", "<<"),
        ("-5", -5),
        ("0", 0),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("'12'", "12"),
        ("!!str 12", "12"),
    ],
)
def test_plain_words_stay_what_was_written(written: str, meant: object) -> None:
    assert read(f"a: {written}") == {"a": meant}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("a: 1\nb: [1, 2\nc: 3\n", "line 3, column 2", id="list not closed"),
        pytest.param("a: 1\n  b: 2\n", "line 2, column 4", id="wrong indentation"),
        pytest.param("a: 'x\n", "line 2, column 1", id="quote not closed"),
        pytest.param("a: {b: 1\n", "line 2, column 1", id="mapping not closed"),
        pytest.param("a: *nothing\n", "line 1, column 4", id="unknown alias"),
        pytest.param("a: 1\n--- \nb: 2\n", "line 2, column 1", id="two documents"),
        pytest.param("\ta: 1\n", "line 1, column 1", id="tab"),
    ],
)
def test_a_syntax_error_tells_line_and_column(text: str, where: str) -> None:
    with pytest.raises(ProfileError, match=r"p\.yaml") as caught:
        read(text)
    assert where in str(caught.value)


@pytest.mark.parametrize(
    "text", ["\ta: 1\n", "a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "a:\n  - 1\n\t- 2\n", "a: 1\n\tb: 2\n"]
)
def test_a_tab_is_called_a_tab(text: str) -> None:
    with pytest.raises(ProfileError, match="a tab stands where YAML takes only blanks") as caught:
        read(text)
    assert caught.value.hint == "write blanks in its place"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "a: 1\nb: 2\na: 3\n", "line 3: the field 'a' stands here twice, first in line 1", id="doubled field"
        ),
        pytest.param("a: {b: 1, b: 2}\n", "'b' stands here twice", id="doubled field in one line"),
        pytest.param("? [a, b]\n: 1\n", "a field's name must be text", id="list as a name"),
        pytest.param("a: !!python/object/apply:os.system [id]\n", "is not allowed in a profile", id="python tag"),
        pytest.param("a: !mine {b: 1}\n", "the tag !mine is not allowed", id="tag on a mapping"),
        pytest.param("a: !!binary aGk=\n", "is not allowed in a profile", id="binary"),
        pytest.param("a: !!bool maybe\n", "'maybe' is no bool", id="no bool"),
        pytest.param("a: !!int one\n", "not YAML that kit can read", id="no int"),
        pytest.param(f"a: {'9' * 5000}\n", "not YAML that kit can read", id="a number of 5000 digits"),
        pytest.param('a: "\\UFFFFFFFF"\n', "not YAML that kit can read", id="beyond unicode"),
        pytest.param("a: \x00\n", "not YAML that kit can read", id="control character"),
        pytest.param('a: "b\\0c"\n', "a character that is none", id="escaped NUL"),
        pytest.param('a: "\\ud800"\n', "a character that is none", id="half a character"),
        pytest.param('"\\ud800": 1\n', "a character that is none", id="half a character in a name"),
        pytest.param("", "is empty", id="empty"),
        pytest.param("# only words\n", "is empty", id="comment"),
        pytest.param("[" * 5000, "p.yaml", id="deep"),
        pytest.param(f"a: {'[' * 40}{']' * 40}", "nested too deeply", id="forty lists"),
        pytest.param(f"[{','.join('x' * 20_001)}]", "too large", id="20001 values"),
        pytest.param("a: &a [*a]\n", "nested too deeply", id="a list in itself"),
    ],
)
def test_what_is_no_profile_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read(text)
    assert said in str(caught.value)


def test_aliases_that_multiply_are_stopped() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(ProfileError, match="too large"):
        read(text)


def test_an_alias_used_once_is_the_value_it_names() -> None:
    assert read("a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}


@given(st.text(max_size=200))
@example('"\\x')
@example("%YAML 9.9\n---\na")
@example("? ? ?")
@example("a: |9\n b")
@example("!<tag:yaml.org,2002:int> x")
@example("&a &b c")
def test_no_text_raises_anything_but_a_kit_error(text: str) -> None:
    with suppress(KitError):
        read(text)


@given(st.text(alphabet="ab:-[]{},*&!|>'\"%@`#? \n\t\\0u1~<=", max_size=60))
def test_no_text_of_yaml_characters_raises_anything_but_a_kit_error(text: str) -> None:
    with suppress(KitError):
        read(text)


def data() -> dict[str, object]:
    return {"name": "x", "load": {"rounds": 1, "cases": [{"input": 1}, {"input": 2}]}, "empty": []}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("name=y", {**data(), "name": "y"}),
        ("name=", {**data(), "name": None}),
        ("name=a=b", {**data(), "name": "a=b"}),
        ("load.rounds=3", {**data(), "load": {"rounds": 3, "cases": [{"input": 1}, {"input": 2}]}}),
        ("load.cases.1.input=2k", {**data(), "load": {"rounds": 1, "cases": [{"input": 1}, {"input": "2k"}]}}),
        ("load.cases.*.input=5", {**data(), "load": {"rounds": 1, "cases": [{"input": 5}, {"input": 5}]}}),
        ("load.cases.*={a: 1}", {**data(), "load": {"rounds": 1, "cases": [{"a": 1}, {"a": 1}]}}),
        ("load.cases=[]", {**data(), "load": {"rounds": 1, "cases": []}}),
        ("new.inner.field=1.10", {**data(), "new": {"inner": {"field": "1.10"}}}),
        ("empty.*=1", data()),
        (" name = y", {**data(), "name": "y"}),
    ],
)
def test_a_setting_changes_what_its_path_names(setting: str, expected: object) -> None:
    changed = data()
    documents.set_value(changed, setting)
    assert changed == expected


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("name", "expected FIELD=VALUE"),
        ("=1", "expected FIELD=VALUE"),
        (" =1", "expected FIELD=VALUE"),
        ("load.cases.2.input=1", "'2' is not a position of this list (0 to 1, or *)"),
        ("load.cases.-1.input=1", "'-1' is not a position"),
        ("load.cases.x=1", "'x' is not a position"),
        ("load.cases.².input=1", "'²' is not a position"),
        (f"load.cases.{'9' * 5000}.input=1", "is not a position"),
        ("name.first=1", "name has no fields"),
        ("name.first.second=1", "'first' leads nowhere"),
        ("load.rounds=[1", "--set load.rounds, line 1"),
        ("load.rounds=!x 1", "the tag !x is not allowed"),
    ],
)
def test_a_setting_that_fits_nowhere_is_a_usage_error(setting: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        documents.set_value(data(), setting)
    assert said in str(caught.value)


@given(st.text(max_size=60))
def test_no_setting_raises_anything_but_a_kit_error(setting: str) -> None:
    with suppress(KitError):
        documents.set_value(data(), setting)
