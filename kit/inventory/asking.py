"""Asking a machine every question once, in parallel; and finding the answers that were recorded elsewhere."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kit import bounded
from kit.accelerators import ACCELERATORS
from kit.errors import UsageError
from kit.inventory import cpu, memory, storage, system
from kit.model.evidence import Command, Each, Evidence, File, Question, Raw, brief, file_name
from kit.ports import Host, ToolMissing, ToolTimeout

_HOST: tuple[Question, ...] = (*cpu.QUESTIONS, *memory.QUESTIONS, *system.QUESTIONS, *storage.QUESTIONS)
QUESTIONS: tuple[Question, ...] = tuple(
    dict.fromkeys((*_HOST, *(question for found in ACCELERATORS.values() for question in found.QUESTIONS)))
)
# Tools that their makers put where a user's PATH does not lead.
PLACES = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/sbin",
    "/opt/mxdriver/bin",
    "/opt/rocm/bin",
    "/opt/hyhal/bin",
    "/usr/local/corex/bin",
)
_AT_ONCE = 32


def ask(host: Host) -> Evidence:
    """The answers of this machine. A tool that gives no answer in its time is not asked again."""
    evidence = Evidence()
    hanging: set[str] = set()
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        first = [question for question in QUESTIONS if not isinstance(question, Each)]
        _answer(evidence, first, host, pool, hanging)
        then = [
            question.of(name)
            for each in QUESTIONS
            if isinstance(each, Each)
            for name in each.names(evidence)
            for question in each.questions
        ]
        _answer(evidence, then, host, pool, hanging)
    return evidence


def _answer(
    evidence: Evidence, questions: Iterable[Command | File], host: Host, pool: ThreadPoolExecutor, hanging: set[str]
) -> None:
    commands: list[Command] = []
    for question in questions:
        if isinstance(question, File):
            evidence[question.key] = _read(host, question)
        elif question.argv[0] in hanging:
            evidence[question.key] = Raw(None, f"{question.argv[0]} gave no answer before and was not asked again")
        else:
            commands.append(question)
    for command, raw, hung in pool.map(lambda command: _run(host, command), commands):
        evidence[command.key] = raw
        if hung:
            hanging.add(command.argv[0])


def _run(host: Host, command: Command) -> tuple[Command, Raw, bool]:
    tool, *rest = command.argv
    refused = False
    for path in (tool, *(f"{place}/{tool}" for place in PLACES)):
        try:
            output = host.run((path, *rest), timeout_s=command.limit_s)
        except ToolMissing as error:
            refused = refused or "Permission denied" in str(error)
            continue
        except ToolTimeout:
            return command, Raw(None, f"{tool} gave no answer in {command.limit_s:g} s"), True
        # systemd-detect-virt says `none` with exit code 1, npu-smi its errors on standard output: an answer is an answer.
        if output.stdout.strip():
            return command, Raw(output.stdout), False
        said = " ".join(output.stderr.split())[:200] or "no output"
        return command, Raw(None, f"{tool} ended with code {output.code}: {said}"), False
    return command, Raw(None, f"this user may not run {tool}" if refused else f"{tool} is not installed"), False


def _read(host: Host, question: File) -> Raw:
    try:
        return Raw(host.read(question.path))
    except OSError as error:
        return Raw(None, f"{question.path}: {error.strerror or error}")


def recorded(folder: Path) -> Evidence:
    """The answers that lie in a folder, as `kit inventory --out` and the script of `--script` leave them.

    Raises `UsageError` where it holds none.
    """
    inside = (folder / "inventory" / "raw", folder / "raw", folder)
    place = next((path for path in inside if any((path / file_name(q.key)).is_file() for q in _plain())), None)
    if place is None:
        hint = "give a folder that kit inventory --out or the script of kit inventory --script has written"
        raise UsageError(f"{folder} holds no recorded outputs", hint=hint)
    evidence = Evidence()
    for question in _plain():
        evidence[question.key] = _recorded(place, question.key)
    for each in QUESTIONS:
        if isinstance(each, Each):
            for name in each.names(evidence):
                for question in each.questions:
                    key = question.of(name).key
                    evidence[key] = _recorded(place, key)
    evidence[system.PYTHON] = _recorded(place, system.PYTHON)
    return evidence


def _plain() -> Iterator[Command | File]:
    return (question for question in QUESTIONS if not isinstance(question, Each))


def _recorded(place: Path, key: str) -> Raw:
    try:
        text = bounded.read(place / file_name(key), bounded.TEXT_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return Raw(None, f"{brief(key)} was not recorded")
    except OSError as error:
        return Raw(None, f"what was recorded of {brief(key)} cannot be read: {error.strerror}")
    text = text.replace("\r\n", "\n")
    # In place of an answer lies the reason, in parentheses.
    if text.startswith("(") and text.rstrip("\n").endswith(")") and text.count("\n") <= 1:
        return Raw(None, text.strip()[1:-1])
    return Raw(text) if text.strip() else Raw(None, f"{brief(key)} printed nothing")


def written(raw: Raw) -> str:
    """An answer as it is kept in a file: untouched, or the reason in parentheses."""
    return raw.text if raw.text is not None else f"({raw.reason})\n"
