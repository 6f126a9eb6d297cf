"""A report made by hand, understood: its sections, what they say, and what could not be read."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kit.errors import Problem, UsageError
from kit.legacy import cells, lines, markdown, marks, tables, word
from kit.legacy.blocks import MOST_BYTES, Block, Code, Grid, Heading, Paragraph, TableRow
from kit.legacy.performance import performance, requests
from kit.model.profile import Language
from kit.model.rates import CaseKey
from kit.model.table import Row
from kit.texts import CATALOGUE

_SECTIONS = (
    "basics",
    "environment",
    "hardware",
    "software",
    "process",
    "start",
    "performance",
    "conclusion",
    "attachments",
    "hardware-details",
    "scripts",
    "provenance",
)
_DATE = re.compile(r"(?P<year>[0-9]{4})\s*[年/.-]\s*(?P<month>[0-9]{1,2})\s*[月/.-]\s*(?P<day>[0-9]{1,2})\s*日?")
_BULLET = re.compile(r"^[-*•]\s+")


@dataclass(frozen=True, slots=True)
class OldReport:
    """What a report says. `draft` is the mark of one of kit's own that is no whole measurement. `unread` holds every piece that was not understood, with its place."""

    source: str
    language: Language = "zh-CN"
    project: str | None = None
    model: str | None = None
    date: str | None = None
    day: tuple[int, int, int] | None = None
    hardware: tuple[tuple[str, str], ...] = ()
    software: tuple[tuple[str, str], ...] = ()
    start_command: str = ""
    start_where: str = ""
    load_example: str = ""
    load_command: str = ""
    load_where: str = ""
    model_label: str | None = None
    environment_label: str | None = None
    rows: tuple[Row, ...] = ()
    conclusion: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    script: str = ""
    draft: str | None = None
    unread: tuple[Problem, ...] = ()


def read(content: bytes, name: str) -> OldReport:
    """The report in a Markdown or Word file. Raises `UsageError` where it is neither, or says nothing of a test."""
    if len(content) > MOST_BYTES:
        raise UsageError(f"{name} has {len(content)} bytes; a report has at most {MOST_BYTES}")
    try:
        packed = content.startswith(b"PK\x03\x04")
        blocks = word.read(content) if packed else markdown.read(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        msg = f"{name} is neither a Word document nor UTF-8 text (byte {error.start})"
        raise UsageError(msg, hint="save the report as .docx or as Markdown") from error
    except UsageError as error:
        raise UsageError(f"{name} {error.message}", hint=error.hint) from error
    found = _Reading(name).whole(blocks)
    if not found.rows and not found.start_command:
        msg = f"{name} is not a test report: it has neither a table of results nor a start command"
        raise UsageError(msg, hint="docs/old-reports.md shows the layout that is read", problems=found.unread[:20])
    return found


@dataclass(slots=True)
class _Reading:
    """Goes through the blocks and remembers the section."""

    source: str
    found: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    hardware: list[tuple[str, str]] = field(default_factory=list)
    software: list[tuple[str, str]] = field(default_factory=list)
    conclusion: list[str] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    unread: list[Problem] = field(default_factory=list)
    rows: tuple[Row, ...] = ()
    titles: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    pending: str | None = None
    sent: dict[CaseKey, dict[str, int]] = field(default_factory=dict)
    draft: str | None = None
    language: Language = "zh-CN"

    def whole(self, blocks: Sequence[Block]) -> OldReport:
        section: str | None = None
        for block in blocks:
            if section == "start" and (key := _command_title(block)) is not None:
                self.pending = key
            elif (title := _title(block)) is not None:
                section = title[0]
                self.language = title[1]
            elif isinstance(block, Heading):
                section = None
                self._miss(block.where, f"the section {_short(block.text)} is not one of the layout")
            elif isinstance(block, Grid):
                self._grid(section, block)
            else:
                self._text(section, block)
        example, command = lines.split(self.found.get("run-test", ""))
        day = _DATE.search(cells.plain(self.found.get("time", "")))
        return OldReport(
            source=self.source,
            language=self.language,
            project=self.found.get("project"),
            model=self.found.get("model"),
            date=self.found.get("time"),
            day=(int(day["year"]), int(day["month"]), int(day["day"])) if day else None,
            hardware=tuple(self.hardware),
            software=tuple(self.software),
            start_command=self.found.get("start-model", ""),
            start_where=self.where.get("start-model", ""),
            load_example=example,
            load_command=command,
            load_where=self.where.get("run-test", ""),
            model_label=self.labels.get("model"),
            environment_label=self.labels.get("environment"),
            rows=tuple(row.model_copy(update=self.sent.get(row.key)) for row in self.rows),
            conclusion=tuple(self.conclusion),
            attachments=tuple(self.attachments),
            script="\n".join(self.scripts),
            draft=self.draft,
            unread=tuple(self.unread),
        )

    def _miss(self, where: str, what: str) -> None:
        self.unread.append(Problem(where, what))

    def _grid(self, section: str | None, grid: Grid) -> None:
        if not grid.rows:
            return
        titles = {tables.column(cell) for cell in grid.rows[0].cells}
        if {"concurrency", "latency"} <= titles and (not self.titles or self.titles == grid.rows[0].cells):
            self._results(grid)
        elif section in ("basics", "start"):
            for row in grid.rows:
                self._pair(row, ("project", "model", "time") if section == "basics" else ("start-model", "run-test"))
        elif section in ("hardware", "software"):
            self._facts(section, grid)
        elif _own(grid):
            self.sent |= requests(grid)
        else:
            self._miss(grid.where, f"a table that begins with {_short(' | '.join(grid.rows[0].cells))}")

    def _results(self, grid: Grid) -> None:
        """A table of results; one with the same titles as the first goes on with other cases."""
        found = performance(grid)
        self.titles = grid.rows[0].cells
        self.unread += found.problems
        for name, said in (("model", found.model), ("environment", found.environment)):
            if said is not None and self.labels.setdefault(name, said) != said:
                self._miss(grid.where, f"a table of another {name}, {_short(said)}, which was not taken")
                return
        known = {row.key for row in self.rows}
        for row in found.rows:
            if row.key in known:
                where = row.cells()[0][1].where.partition(",")[0] if row.cells() else grid.where
                self._miss(where, f"the case {row.name} stands there twice; the first was taken")
        self.rows += tuple(row for row in found.rows if row.key not in known)

    def _pair(self, row: TableRow, keys: Sequence[str]) -> None:
        key = next((key for key in keys if row.cells[0] in CATALOGUE[key]), None)
        values = [cell for cell in row.cells[1:] if cell]
        if key is None or len(set(values)) != 1 or key in self.found:
            self._miss(row.where, f"a row that says {_short(' | '.join(row.cells))}")
            return
        self.found[key], self.where[key] = values[0], row.where

    def _facts(self, section: str, grid: Grid) -> None:
        kept = self.hardware if section == "hardware" else self.software
        titles = CATALOGUE["device" if section == "hardware" else "software-name"]
        for number, row in enumerate(grid.rows):
            if number == 0 and row.cells[0] in titles:
                continue
            if len(row.cells) != 2 or not all(row.cells):
                self._miss(row.where, f"a row that says {_short(' | '.join(row.cells))}")
                continue
            kept.append((row.cells[0], row.cells[1]))

    def _text(self, section: str | None, block: Paragraph | Code | Heading) -> None:
        text = block.text
        if section == "conclusion":
            self.conclusion.append(_BULLET.sub("", markdown.plain(text)))
        elif section == "hardware-details" and isinstance(block, Paragraph):
            self.attachments.append(markdown.plain(text))
        elif section == "scripts" and isinstance(block, Code):
            self.scripts.append(text)
        elif section == "start" and (key := self._command(block)) is not None:
            if key in self.found:
                self._miss(block.where, f"a second command for {_short(CATALOGUE[key][0])}: {_short(text)}")
            else:
                self.found[key], self.where[key] = text, block.where
        elif section is None and (mark := marks.of(text)) is not None:
            self.draft = mark
        elif _known(section, block):
            return
        else:
            self._miss(block.where, f"a text that says {_short(text)}")

    def _command(self, block: Paragraph | Code | Heading) -> str | None:
        """What a block of code in this section starts, by the line before it, else by its own words."""
        if not isinstance(block, Code):
            return None
        before, self.pending = self.pending, None
        if before is not None and before not in self.found:
            return before
        if lines.server(block.text).engine is not None:
            return "start-model"
        return "run-test" if lines.load(lines.split(block.text)[1]).options else None


_OWN_TEXTS = frozenset(text for pair in CATALOGUE.values() for text in pair if "{" not in text)


def _own_notes() -> str:
    """Kit's own notes below its tables; several of them stand in one line of Markdown."""
    short = (
        *("ready", "rounds-note", "rounds-note-mixed", "rounds-note-until", "rounds-note-warmup", "stability-note"),
        *("applied-note", "applied-burst-note", "distribution-note", "few-note", "step-note"),
        *("trust-server-note", "error-note", "error-untried", "machine-use-few"),
    )
    more = ("trust-error-none", "trust-server-none")
    long = ("machine-use-note", "machine-use-none", "comparison-note", "sign-note", "sign-note-stamped", *more)
    told = [
        re.sub(r"\\\{\w+\\\}", value, re.escape(text))
        for keys, value in ((short, r"\\S{1,40}"), (long, ".{1,200}"))
        for key in keys
        for text in CATALOGUE[key]
    ]
    return f"(?:(?:{'|'.join(told)}) ?){{1,6}}"


_OWN_NOTES = re.compile(_own_notes())


def _known(section: str | None, block: Paragraph | Code | Heading) -> bool:
    """Texts of kit's own reports that a profile needs nothing of: the hardware's details, names of rounds, provenance."""
    if section == "provenance" or block.text.strip("* ") in _OWN_TEXTS or _OWN_NOTES.fullmatch(block.text):
        return True
    if section == "hardware-details":
        return isinstance(block, Code)
    return (
        section == "scripts"
        and re.fullmatch(r"\S+/round-[0-9]+.*|[0-9-]{10} [0-9:]{8} .{1,40}", block.text) is not None
    )


def _own(grid: Grid) -> bool:
    """A table of kit's own reports beyond the original's: statistics, criteria, a comparison, signatures."""
    first = grid.rows[0].cells[0]
    own = [text for key in ("col-case", "sign-role", "col-input", "repeat-col-item") for text in CATALOGUE.get(key, ())]
    return first in own or re.match(r"(图|Figure) [0-9]+\s", first) is not None


def _title(block: Block) -> tuple[str, Language] | None:
    """The section that begins here, and its language: a heading, or a line that is nothing but a section's title."""
    if not isinstance(block, Heading | Paragraph):
        return None
    text = re.sub(r"^\s*[0-9]+(\.[0-9]+)*[.、]?\s*", "", block.text).strip().strip("*").strip()
    found = next((key for key in _SECTIONS if text in CATALOGUE[key]), None)
    return (found, "zh-CN" if text == CATALOGUE[found][0] else "en") if found is not None else None


def _command_title(block: Block) -> str | None:
    """The command that a line such as `启动模型：` announces."""
    if not isinstance(block, Heading | Paragraph):
        return None
    text = re.sub(r"^\s*(?:[0-9]+(?:\.[0-9]+)*[.、)]?|[-*•])\s*", "", markdown.plain(block.text)).strip("*:： ")
    return next((key for key in ("start-model", "run-test") if text in CATALOGUE[key]), None)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 60 else flat[:57] + "…")


def scripts_defaults(script: str) -> Iterator[tuple[str, str]]:
    """The defaults of a load script's options, as it declares them for click or argparse: (`seed`, `42`)."""
    for found in re.finditer(
        r"""(?:option|add_argument)\(\s*["']--(?P<name>[a-z-]{2,40})["'][^()\n]{0,200}?default=(?P<value>[0-9]{1,9})\b""",
        script[:200_000],
    ):
        yield found["name"], found["value"]
