"""YAML from outside as plain data with the line of every value: limited in size and depth, no tags, no doubled fields."""

import re
from typing import cast

import yaml

from kit.errors import ProfileError, UsageError

Data = dict[str, object] | list[object] | str | int | float | bool | None
Place = tuple[str | int, ...]
"""Where a value stands: field names and positions from the top."""

_MOST_NODES = 20_000
_DEEPEST = 32
_TAB = repr("\t")
"""In what the parser says of a character that it cannot take."""


class _Loader(yaml.SafeLoader):
    """As YAML 1.2 reads plain words: `on`, `yes`, `0755` and `12:30` are text."""


# Numbers with a point stay text until a field wants a number: the version 1.10 is not 1.1. `=` and `<<` are plain text.
_REDEFINED = tuple(f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "timestamp", "value", "merge"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REDEFINED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


_TAGS: dict[type[yaml.Node], frozenset[str]] = {
    yaml.MappingNode: frozenset({"tag:yaml.org,2002:map"}),
    yaml.SequenceNode: frozenset({"tag:yaml.org,2002:seq"}),
    yaml.ScalarNode: frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "str")),
}


def read(text: str, source: str, lines: dict[Place, int]) -> Data:
    """The one document in `text`; `lines` receives the line of every value. Raises `ProfileError` on anything else."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise ProfileError(f"{source} is empty")
            return _value(loader, node, (), lines, source)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
        told, hint = error.problem or error.context or "", "correct the YAML there"
        if _TAB in told:
            told, hint = "a tab stands where YAML takes only blanks", "write blanks in its place"
        raise ProfileError(f"{where}: {told}", hint=hint) from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        # The last two: an escape beyond Unicode, a number of thousands of digits.
        raise ProfileError(f"{source} is not YAML that kit can read: {error}") from error


def _value(loader: _Loader, node: yaml.Node, path: Place, lines: dict[Place, int], source: str) -> Data:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > _DEEPEST or len(lines) > _MOST_NODES:
        raise ProfileError(f"{source}, line {line}: nested too deeply or too large for a profile")
    if node.tag not in _TAGS[type(node)]:
        raise ProfileError(f"{source}, line {line}: the tag {node.tag} is not allowed in a profile")
    if isinstance(node, yaml.MappingNode):
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise ProfileError(f"{source}, line {key_node.start_mark.line + 1}: a field's name must be text")
            key = _text(key_node, source)
            if key in result:
                raise ProfileError(
                    f"{source}, line {key_node.start_mark.line + 1}: the field {key!r} stands here twice, first in line "
                    f"{lines[(*path, key)]}",
                    hint="leave one of the two out",
                )
            # The line of a field is that of its name, also where its value begins below.
            lines.setdefault((*path, key), key_node.start_mark.line + 1)
            result[key] = _value(loader, value_node, (*path, key), lines, source)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*path, index), lines, source) for index, item in enumerate(node.value)]
    _text(node, source)
    try:
        return cast(Data, loader.construct_object(node))
    except KeyError:  # `!!bool maybe`
        raise ProfileError(f"{source}, line {line}: {node.value!r} is no {node.tag.rpartition(':')[2]}") from None


def _text(node: yaml.Node, source: str) -> str:
    """What is written there, if a program can be given it: no command line holds a NUL, no file half a character."""
    text = str(node.value)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ProfileError(f"{source}, line {node.start_mark.line + 1}: the text holds a character that is none")
    return text


def set_value(data: dict[str, object], setting: str) -> Place:
    """Apply `a.b.0.c=value`; `*` stands for every element of a list. Returns the place that was set."""
    path, separator, text = setting.partition("=")
    if not separator or not path.strip():
        raise UsageError(f"--set {setting}: expected FIELD=VALUE", hint="for example --set load.rounds=3")
    value = read(text, f"--set {path}", {}) if text.strip() else None
    steps = path.strip().split(".")
    targets: list[object] = [data]
    for step in steps[:-1]:
        targets = [found for target in targets for found in _inside(target, step, path)]
    for target in targets:
        last = steps[-1]
        if isinstance(target, dict):
            target[last] = value
        elif isinstance(target, list):
            for index in _indexes(target, last, path):
                target[index] = value
        else:
            raise UsageError(f"--set {path}: {'.'.join(steps[:-1])} has no fields")
    return tuple(int(step) if step.isdecimal() else step for step in steps)


def covers(given: Place, place: Place) -> bool:
    """Whether `place` lies at or below one that was set, in which `*` stands for any position."""
    return len(given) <= len(place) and all(one in ("*", other) for one, other in zip(given, place, strict=False))


def _inside(target: object, step: str, path: str) -> list[object]:
    if isinstance(target, dict):
        return [target.setdefault(step, {})]
    if isinstance(target, list):
        return [target[index] for index in _indexes(target, step, path)]
    raise UsageError(f"--set {path}: {step!r} leads nowhere", hint="kit profile show prints the fields")


def _indexes(target: list[object], step: str, path: str) -> list[int]:
    if step == "*":
        return list(range(len(target)))
    if re.fullmatch("[0-9]{1,6}", step) and int(step) < len(target):
        return [int(step)]
    raise UsageError(f"--set {path}: {step!r} is not a position of this list (0 to {len(target) - 1}, or *)")
