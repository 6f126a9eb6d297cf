"""Evidence: what to ask of a machine, what it answered, and facts made from the answers."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kit.model.fact import Fact

TOOL_LIMIT_S = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Raw:
    """What a tool or a file said, untouched, or why it said nothing."""

    text: str | None
    reason: str | None = None


class Evidence(dict[str, Raw]):
    """Answers by question: the command as typed, or the path of the file. What was never asked says so."""

    def __missing__(self, key: str) -> Raw:
        return Raw(None, f"{key} was not asked")


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run, with its limit in seconds."""

    argv: tuple[str, ...]
    limit_s: float = TOOL_LIMIT_S

    @property
    def key(self) -> str:
        return " ".join(self.argv)

    def of(self, name: str) -> "Command":
        """The same with every `{}` replaced."""
        return Command(tuple(word.replace("{}", name) for word in self.argv), self.limit_s)


@dataclass(frozen=True, slots=True)
class File:
    """A file to read."""

    path: str

    @property
    def key(self) -> str:
        return self.path

    def of(self, name: str) -> "File":
        """The same with every `{}` replaced."""
        return File(self.path.replace("{}", name))


@dataclass(frozen=True, slots=True)
class Each:
    """Questions that depend on first answers: asked once for every name.

    `names` finds the names in the evidence; `shell` prints the same names, one a line, from the recorded files in the
    current directory, in POSIX sh.
    """

    questions: tuple[Command | File, ...]
    names: Callable[[Evidence], Sequence[str]]
    shell: str


Question = Command | File | Each


def file_name(key: str) -> str:
    """The name under which an answer is kept: `lscpu.txt`, `npu-smi_info_-m.txt`, `proc_meminfo.txt`."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", key).strip("_")[:180] + ".txt"


def brief(key: str) -> str:
    """A question as a reader can take it in: the beginning of a long command."""
    return key if len(key) <= 60 or key.startswith("/") else f"{key[:40].rstrip(' ,')}…"


class Unread(ValueError):  # noqa: N818  (a finding, not a fault: it becomes a fact's reason)
    """An answer does not hold the fact, for the reason given."""


def fact(evidence: Evidence, source: str, find: Callable[[str], T | None]) -> Fact[T]:
    """One fact out of one answer; what cannot be found there is told as such."""
    said = evidence[source]
    if said.text is None:
        return Fact(source=source, reason=said.reason or "nothing was read")
    try:
        value = find(said.text)
    except Unread as found:
        return Fact(source=source, reason=str(found))
    except (ValueError, IndexError):
        value = None
    if value is None:
        return Fact(source=source, reason=_complaint(said.text, source) or f"{brief(source)} does not say")
    return Fact(value=value, source=source)


def _complaint(text: str, source: str) -> str | None:
    """What a tool said in place of an answer: one line that complains."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = re.compile(r"(?i)cannot|unable|denied|not permitted|unknown|unrecognized|invalid|error|fail")
    told = len(lines) == 1 and len(lines[0]) <= 160 and wrong.search(lines[0])
    return f"{source} says: {lines[0]}" if told else None


def first(*facts: Fact[T]) -> Fact[T]:
    """The first fact that has a value; where none has, the first with its reason."""
    return next((found for found in facts if found.value is not None), facts[0])


def stated(value: T | None, source: str, reason: str = "") -> Fact[T]:
    """A fact from a value that is there or not."""
    return (
        Fact(source=source, reason=reason or f"{brief(source)} does not say")
        if value is None
        else Fact(value=value, source=source)
    )


def field(text: str, *names: str) -> str | None:
    """The value of a `Name: value` or `Name=value` line, indented or not; the first name that has one."""
    for name in names:
        found = re.search(rf"^[ \t]*{re.escape(name)}[ \t]*[:=][ \t]*(\S.*?)[ \t\r]*$", text, re.MULTILINE)
        if found and found[1] not in UNSAID:
            return found[1]
    return None


UNSAID = frozenset(
    {"", "-", "NA", "N/A", "[N/A]", "[Not Supported]", "[Unknown Error]", "NOT SUPPORT", "ERR!", "Unknown", "unknown"}
)
"""What tools print where they know nothing."""


def number(text: str | None) -> float | None:
    """A number that stands alone or before its unit: `69.0`, `143771 MiB`, `36C`; None for anything else."""
    found = re.fullmatch(r"\s*(-?[0-9]{1,18}(?:\.[0-9]{1,9})?)\s*(?:[A-Za-z%/]{0,5})\s*", text or "")
    return float(found[1]) if found else None


def whole(text: str | None) -> int | None:
    """A whole number, as `number` reads it."""
    value = number(text)
    return int(value) if value is not None and value == int(value) else None


def numbers(text: str) -> list[int]:
    """The numbers of a kernel list such as `0-3,8`."""
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        begin, _, end = part.partition("-")
        if begin.isdigit() and (end or begin).isdigit() and len(begin) < 7 and len(end) < 7:
            found.extend(range(int(begin), int(end or begin) + 1)[:4096])
    return found[:4096]


def ranges(found: Iterable[int]) -> str:
    """Numbers as the kernel lists them: `0-3,8`."""
    parts: list[list[int]] = []
    for value in sorted(set(found)):
        if parts and value == parts[-1][-1] + 1:
            parts[-1][1:] = [value]
        else:
            parts.append([value])
    return ",".join("-".join(map(str, part)) for part in parts)
