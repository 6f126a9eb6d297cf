"""Profiles as files: found by name, written and read again as the same, and the schema for editors."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kit import library, profile
from kit.errors import KitError, ProfileError
from kit.model import Length
from tests.unit.profiles import STARTED, parse, problems

# --- files and names ---------------------------------------------------------------------------------------------


def test_an_unknown_profile_is_told_with_its_nearest_name() -> None:
    with pytest.raises(ProfileError, match="did you mean 'smoke'"):
        profile.load("smok")


def test_a_profile_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ProfileError, match=r"there is no profile file \./none\.yaml"):
        profile.load("./none.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(ProfileError, match=r"is not UTF-8 text \(byte 6\)"):
        profile.load(str(path))


def test_a_file_far_too_large_for_a_profile_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ProfileError, match=r"p\.yaml cannot be read: it is larger than 1000000 bytes"):
        profile.load(str(path))


@pytest.mark.parametrize("text", ["- a", "word", "12"])
def test_a_document_that_is_no_mapping_is_no_profile(text: str) -> None:
    assert problems(text) == ["p.yaml does not hold a profile"]


@pytest.mark.parametrize("name", library.names())
def test_every_profile_that_comes_with_kit_is_valid_and_described(name: str) -> None:
    found = profile.load(name)
    assert found.profile.name == name
    assert len(dict(library.descriptions())[name]) > 20


def test_a_profile_in_the_working_directory_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.yaml").write_text(f"description: 'My own'\n{STARTED}")
    monkeypatch.chdir(tmp_path)
    assert profile.load("mine").profile.name == "tiny"
    assert dict(library.descriptions())["mine"] == "My own"


# --- writing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", library.names())
def test_the_resolved_profile_is_the_same_profile(name: str) -> None:
    loaded = profile.load(name)
    again = profile.parse(profile.resolved(loaded.profile).decode(), "resolved")
    assert again.profile == loaded.profile
    assert again.sha256 == loaded.sha256


lengths = st.one_of(
    st.integers(1, 10_000_000).map(str),
    st.integers(1, 10_000).map(lambda thousands: f"{thousands}k"),
    st.integers(1, 9_999_999).map(lambda tokens: f"{tokens / 1000:.3f}k"),
)
durations = st.one_of(
    st.integers(1, 2_592_000).map(lambda seconds: f"{seconds}s"),
    st.integers(1, 43_200).map(lambda minutes: f"{minutes}m"),
    st.integers(1, 10**9).map(lambda ms: f"{ms}ms"),
    st.floats(0.01, 700).map(lambda hours: f"{hours:.4f}h"),
)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0{}"), min_size=1, max_size=20).filter(
    lambda word: not word.startswith("--port")
)


@given(lengths, lengths, durations, st.lists(words, max_size=4), words)
def test_whatever_a_profile_holds_survives_being_written_and_read(
    given_tokens: str, made_tokens: str, duration: str, arguments: list[str], value: str
) -> None:
    data = yaml.safe_load(STARTED)
    data["load"]["cases"] = [{"input": given_tokens, "output": made_tokens, "concurrency": 3}]
    data["load"]["read_timeout"] = duration
    data["server"]["args"] += [[word] for word in arguments]
    data["server"]["env"]["VALUE"] = value
    data["report"] = {"project": value, "model_label": value}
    text = yaml.safe_dump(data, allow_unicode=True)
    try:
        loaded = profile.parse(text, "written")
    except ProfileError as error:
        assert "looks like a secret" in str(error)  # noqa: PT017  (hypothesis may find one)
        return
    assert loaded.profile.server.args[5:] == tuple((word,) for word in arguments)
    again = profile.parse(profile.resolved(loaded.profile).decode(), "resolved")
    assert again.profile == loaded.profile
    assert again.sha256 == loaded.sha256


@given(lengths)
def test_a_length_keeps_its_label_and_counts_as_written(label: str) -> None:
    length = Length.model_validate(label)
    number, thousands = label.removesuffix("k"), label.endswith("k")
    assert length.label == label
    assert length.tokens == round(float(number) * (1000 if thousands else 1))
    assert Length.model_validate_json(length.model_dump_json()) == length


def test_settings_change_the_digest_and_comments_do_not() -> None:
    plain = profile.parse(STARTED, "a").sha256
    assert profile.parse(f"# words\n{STARTED}", "b").sha256 == plain
    assert profile.parse(STARTED, "a", ["load.rounds=2"]).sha256 != plain


@given(st.text(max_size=120))
def test_no_text_raises_anything_but_a_kit_error(text: str) -> None:
    with suppress(KitError):
        parse(text)
    with suppress(KitError):
        parse(STARTED + text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = """
    schema name description report report.language machine machine.accelerator server server.engine server.env server.args
    server.args.0 server.port server.url server.api_key server.mounts server.container server.container.memory
    server.container.ulimits load load.cases load.cases.0 load.cases.0.input load.cases.*.concurrency load.rounds
    load.read_timeout load.version load.tokenizer acceptance
"""
places = st.sampled_from(PLACES.split())


@given(places, values)
def test_no_value_anywhere_raises_anything_but_a_kit_error(place: str, value: object) -> None:
    with suppress(KitError):
        parse(STARTED, f"{place}={yaml.safe_dump(value, default_flow_style=True)}")


# --- the schema for editors --------------------------------------------------------------------------------------


def test_the_schema_knows_every_field_of_the_profiles_that_come_with_kit() -> None:
    schema = profile.schema()
    for path in library.names().values():
        _fits(yaml.safe_load(path.read_text("utf-8")), schema, schema, path.stem)


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(profile.schema()))["additionalProperties"] is False


def _fits(value: object, schema: object, root: dict[str, object], where: str) -> None:
    """Fields, required fields and plain types, as far as a profile uses them."""
    assert isinstance(schema, dict), where
    if "$ref" in schema:
        definitions = root["$defs"]
        assert isinstance(definitions, dict)
        _fits(value, definitions[str(schema["$ref"]).rpartition("/")[2]], root, where)
        return
    if "anyOf" in schema:
        failures = []
        for choice in schema["anyOf"]:
            try:
                _fits(value, choice, root, where)
                return
            except AssertionError as error:
                failures.append(str(error))
        raise AssertionError(f"{where}: none of {failures}")
    if isinstance(value, dict) and "properties" in schema:
        assert not set(value) - set(schema["properties"]), where
        assert set(schema.get("required", ())) <= set(value), where
        for name, inner in value.items():
            _fits(inner, schema["properties"][name], root, f"{where}.{name}")
    elif isinstance(value, list) and schema.get("type") == "array" and "items" in schema:
        for position, inner in enumerate(value):
            _fits(inner, schema["items"], root, f"{where}.{position}")
    elif "const" in schema:
        assert value == schema["const"], where
    elif "type" in schema:
        types: dict[str, type | tuple[type, ...]] = {
            "string": str,
            "integer": int,
            "number": (int, float),
            "object": dict,
            "array": list,
            "boolean": bool,
        }
        assert isinstance(value, types.get(schema["type"], type(None))), f"{where}: {value!r} is no {schema['type']}"
