"""Command lines as reports show them, taken apart without a shell. What needs one is told, never interpreted."""

import re
import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kit.engines import ENGINES

_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)", re.DOTALL)
_PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.[0-9]+)?)?")
_OPERATOR = re.compile(r"[;&|<>()]+")
_SECRET = re.compile(r"(?i)(api[-_]?key|token|password|passwd|secret)$")
_SHELL = re.compile(r"[$`]")
_MOST_VARIABLES = 40
MOST_CHARACTERS = 20_000
"""Of a command that is taken apart."""
_NAME = r"(?:python3?(?:\.\d+)?|evalscope[\w-]*|kit)"
_APART = r"(?<![\w./=-])"
_WORD = re.compile(r"\S+")
# In a word: the program that it ends in, in a folder or not, and where a variable is set.
_NAMED = re.compile(rf"(?:(?<=/)|{_APART}){_NAME}\Z")
_ASSIGNED = re.compile(rf"{_APART}[A-Za-z_]\w*=(?=\S)")
# A line of a script that is a command of its own.
_BEGINS = re.compile(
    r"\s*(?:[A-Za-z_]\w*=|(?:export|env|nohup|sudo|numactl|cd|source|bash|sh|docker|podman|vllm)\s|\.{0,2}/\S+\.sh\b"
    rf"|(?:\S*/)?{_NAME}(?=\s))"
)


@dataclass(frozen=True, slots=True)
class ServerLine:
    """A server's command: engine, environment, arguments in their order; `problems` says what was not taken."""

    engine: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    args: tuple[tuple[str, ...], ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class LoadLine:
    """A load command: its options with all their values."""

    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def one(self, *names: str) -> str | None:
        """The single value of the first option that is given."""
        for name in names:
            if len(values := self.options.get(name, ())) == 1:
                return values[0]
        return None

    def counts(self, *names: str) -> tuple[int, ...]:
        """The whole numbers of an option, quoted together or not."""
        for name in names:
            words = " ".join(self.options.get(name, ())).split()
            if words and all(re.fullmatch(r"[1-9][0-9]{0,8}", word) for word in words):
                return tuple(map(int, words))
        return ()


def words(text: str) -> list[str]:
    """The words of a command. Raises `ValueError` where a quotation does not end, or it is longer than any command."""
    if len(text) > MOST_CHARACTERS:
        # What takes it apart copies a word for each of its characters.
        raise ValueError(f"it has {len(text)} characters, more than {MOST_CHARACTERS}")
    lexer = shlex.shlex(_joined(text), posix=True, punctuation_chars=";&|<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)


def _joined(text: str) -> str:
    """Several lines as one: a line that begins another command is set apart, any other goes on where the last one ended."""
    written = re.sub(r"\\\r?\n", " ", text)
    parts = written.splitlines()
    try:
        for part in parts:
            shlex.split(part)
    except ValueError:
        # A quotation that runs over lines, or does not end.
        return written
    if len(parts) > 1:
        parts = [part for part in parts if not part.lstrip().startswith("#")]
    return "".join(f" ; {part}" if _BEGINS.match(part) else f" {part}" for part in parts)


def server(text: str) -> ServerLine:
    """The command that starts a server, as `export NAME=value … python -m engine.launch --flag value …`."""
    try:
        rest = words(text)
    except ValueError as error:
        return ServerLine(problems=(f"the command cannot be taken apart: {error}",))
    env: list[tuple[str, str]] = []
    problems: list[str] = []
    while rest:
        found = _ASSIGNMENT.fullmatch(rest[0])
        if found is None and rest[0] not in ("export", "env", "&&", ";"):
            break
        word = rest.pop(0)
        if found is None:
            continue
        if found["name"] in dict(env):
            problems.append(f"the variable {found['name']} is set twice: the first value was taken")
        elif _secret(found["name"]):
            problems.append(f"the variable {found['name']} looks like a secret and was left out")
        else:
            env.append((found["name"], found["value"]))
            problems += _shell(word)
    engine, used = _engine(rest)
    if engine is None:
        problems.append(f"no engine that kit knows starts with: {' '.join(rest[:4]) or '(nothing)'}")
        return ServerLine(env=tuple(env), problems=tuple(problems))
    args: list[tuple[str, ...]] = []
    for group in _groups(rest[used:]):
        if isinstance(group, str):
            problems.append(f"not taken, since it needs a shell: {group}")
            break
        if _secret(group[0].lstrip("-").split("=", 1)[0]):
            problems.append(f"the argument {group[0].split('=', 1)[0]} looks like a secret and was left out")
            continue
        args.append(group)
        for word in group:
            problems += _shell(word)
    return ServerLine(engine, tuple(env), tuple(args), tuple(problems))


def _shell(word: str) -> list[str]:
    return [f"a shell would change {word!r}; kept as it stands"] if _SHELL.search(word) else []


def _secret(name: str) -> bool:
    return bool(_SECRET.search(name))


def _engine(rest: Sequence[str]) -> tuple[str | None, int]:
    """The engine whose command the words begin with, and how many words that takes."""
    for name, engine in ENGINES.items():
        command = engine.COMMAND
        if not command or len(rest) < len(command):
            continue
        first = rest[0] == command[0] or (_PYTHON.fullmatch(command[0]) and _PYTHON.fullmatch(rest[0]))
        if first and tuple(rest[1 : len(command)]) == command[1:]:
            return name, len(command)
    return None, 0


def _groups(rest: Sequence[str]) -> Iterator[tuple[str, ...] | str]:
    """A flag with its values each; the rest as one text from where a shell's operator stands."""
    group: list[str] = []
    for at, word in enumerate(rest):
        if _OPERATOR.fullmatch(word):
            if group:
                yield tuple(group)
            yield " ".join(rest[at:])
            return
        is_flag = word.startswith("-") and not re.fullmatch(r"-[0-9.]+", word)
        if group and (is_flag or not group[0].startswith("-")):
            yield tuple(group)
            group = []
        group.append(word)
    if group:
        yield tuple(group)


def split(text: str) -> tuple[str, str]:
    """What is said before a command, and the command: `// for example: python load.py …`."""
    at = _begin(text)
    return text[:at].strip(), text[at:].strip()


def _begin(text: str) -> int:
    """Where the first command begins, with the variables before its program; the length of the text where there is none.

    Word by word: a pattern of all of it, looked for from every character on, would take the square of a long word's length.
    """
    variables: deque[int] = deque(maxlen=_MOST_VARIABLES)
    for found in _WORD.finditer(text):
        word, at = found[0], found.start()
        program = _NAMED.search(word) if found.end() < len(text) else None
        if program is not None:
            before = word[: program.start()]
            # Text that is stuck to a program is none of its command; a folder is.
            return at + program.start() if before and not before.endswith("/") else variables[0] if variables else at
        assigned = _ASSIGNED.search(word)
        if assigned is None or assigned.start():
            variables.clear()
        if assigned is not None:
            variables.append(at + assigned.start())
    return len(text)


def load(text: str) -> LoadLine:
    """The options of a load command."""
    result = LoadLine()
    try:
        rest = words(text)
    except ValueError as error:
        result.problems.append(f"the command cannot be taken apart: {error}")
        return result
    start = next((at for at, word in enumerate(rest) if word.startswith("--")), len(rest))
    for group in _groups(rest[start:]):
        if isinstance(group, str):
            result.problems.append(f"not taken, since it needs a shell: {group}")
            break
        flag, equals, value = group[0].partition("=")
        values = (value, *group[1:]) if equals else group[1:]
        name = flag.lstrip("-").replace("_", "-")
        if _secret(name):
            result.problems.append(f"{flag} looks like a secret and was left out")
        elif flag.startswith("-"):
            result.options[name] = values
    return result
