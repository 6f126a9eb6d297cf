"""The body of the Word report: its sections in order, as WordprocessingML."""

import io
from collections.abc import Callable, Container, Sequence
from copy import deepcopy

from docx.document import Document as Opened
from docx.oxml.ns import qn

from kit.formats import duration, figure, rate
from kit.model.report import Report
from kit.renderers import charts, overtime, paper, pictures, repeated, word
from kit.renderers.charts import Chart
from kit.renderers.details import (
    beyond,
    brief_conclusion,
    criteria,
    highlights,
    sign_offs,
)
from kit.renderers.table import Table
from kit.renderers.word import Cell, cell, field, merged, paragraph, run, side_by_side, table
from kit.texts import say

PORTRAIT, LANDSCAPE = 9400, 14300  # widths of tables in twentieths of a point
_EMU_PER_TWIP = 635
_COLUMNS = ("model", "environment", "input", "output", "concurrency", "latency", "throughput", "ttft", "tpot", "tps")


class Content:
    """The body of the document, from top to bottom."""

    def __init__(self, report: Report, document: Opened, for_layout: bool) -> None:
        self._for_layout = for_layout
        self._report = report
        self._document = document
        self._lang = report.language
        self._parts: list[str] = []
        self._headings: list[tuple[int, str, str, str]] = []
        self._numbers = [0, 0]
        self._captions = {"table": 0, "figure": 0}
        self._section = document.element.body.sectPr

    def parts(self) -> dict[str, Callable[[], str]]:
        """What a template may place, by name: `content` is the whole report."""
        report = self._report
        return {
            "content": self.build,
            "draft": self._draft,
            "conclusion": lambda: self._only(lambda: self._lines(brief_conclusion(report))),
            "figures": lambda: self._only(lambda: self._details(highlights(report), PORTRAIT, (0, 2))),
            "chart": lambda: self._only(self._one_chart),
            "criteria": lambda: self._only(self._criteria),
            "sign_off": lambda: self._only(self._sign_off),
        }

    def _only(self, add: Callable[[], None]) -> str:
        before, self._parts = self._parts, []
        add()
        found, self._parts = self._parts, before
        return "".join(found)

    def build(self) -> str:
        """All sections in order."""
        report = self._report
        self._basics()
        self._environment()
        self._procedure()
        self._add(self._end_section(landscape=False))
        self._performance()
        self._add(self._end_section(landscape=True))
        self._heading(1, "conclusion")
        self._lines(report.conclusion)
        self._criteria()
        for found in repeated.tables(report):
            self._details(found, PORTRAIT, range(len(found.columns)))
        self._sign_off()
        self._attachments()
        return "".join((*self._front(), *self._parts))

    def _lines(self, lines: Sequence[str]) -> None:
        self._add(*(paragraph("ListBullet", run(line)) for line in lines))

    def _say(self, key: str, **values: object) -> str:
        return say(self._lang, key, **values)

    def _add(self, *parts: str) -> None:
        self._parts.extend(parts)

    def _draft(self) -> str:
        return paragraph("KitDraft", run(self._report.draft)) if self._report.draft else ""

    def _front(self) -> list[str]:
        report = self._report
        return [
            paragraph("Title", run(report.project)),
            paragraph("Subtitle", run(f"{self._say('report')} · {report.run}")),
            self._draft(),
            paragraph("KitContents", run(self._say("contents"))),
            *self._contents(),
        ]

    def _contents(self) -> list[str]:
        """The table of contents as a field that already shows its entries; page numbers come with the layout.

        What kit does not know it leaves empty: the field asks to be brought up to date when it is opened.
        """
        begin, end = ("", "") if self._for_layout else word.TABLE_OF_CONTENTS
        entries = []
        for position, (level, number, title, mark) in enumerate(self._headings):
            link = f'<w:hyperlink w:anchor="{mark}" w:history="1">{run(f"{number} {title}")}{run(chr(9))}'
            link += field(f"PAGEREF {mark} \\h") + "</w:hyperlink>"
            last = position == len(self._headings) - 1
            entries.append(paragraph(f"TOC{level}", begin if position == 0 else "", link, end if last else ""))
        return entries

    def _heading(self, level: int, key: str, *, new_page: bool = False) -> None:
        """A heading that numbers itself; the number is kept for the table of contents."""
        self._numbers = [self._numbers[0] + 1, 0] if level == 1 else [self._numbers[0], self._numbers[1] + 1]
        number = ".".join(map(str, self._numbers[:level]))
        place = len(self._headings) + 1
        mark = f"_Toc{place:08d}"
        self._headings.append((level, number, self._say(key), mark))
        marked = (
            f'<w:bookmarkStart w:id="{place}" w:name="{mark}"/>{run(self._say(key))}<w:bookmarkEnd w:id="{place}"/>'
        )
        self._add(paragraph(f"Heading{level}", marked, before_break=new_page))

    def _caption(self, kind: str, text: str) -> str:
        self._captions[kind] += 1
        draft = f" [{self._report.draft}]" if self._report.draft else ""
        number = field(f"SEQ {kind.capitalize()} \\* ARABIC", str(self._captions[kind]))
        return paragraph("Caption", run(f"{self._say(kind)} "), number, run(f"  {text}{draft}"))

    def _end_section(self, *, landscape: bool) -> str:
        """An empty paragraph that closes a section with the template's header and footer."""
        section = deepcopy(self._section)
        if landscape:
            size = section.find(qn("w:pgSz"))
            width, height = size.get(qn("w:w")), size.get(qn("w:h"))
            size.set(qn("w:w"), height)
            size.set(qn("w:h"), width)
            size.set(qn("w:orient"), "landscape")
        return paragraph("KitNote", section=section.xml)

    def _pairs(self, rows: Sequence[tuple[str, str]], header: tuple[str, str] | None, about: str) -> str:
        titles = [[cell(text, "KitHead") for text in header]] if header else []
        cells = [[cell(name, "KitHead"), cell(value)] for name, value in rows]
        return table(
            [*titles, *cells], (2000, PORTRAIT - 2000), about=about, header=header is not None, first_column=True
        )

    def _basics(self) -> None:
        self._heading(1, "basics")
        rows = [
            (self._say("project"), self._report.project),
            (self._say("model"), self._report.model),
            (self._say("time"), self._report.date),
        ]
        self._add(self._pairs(rows, None, self._say("basics")))

    def _environment(self) -> None:
        self._heading(1, "environment")
        for key, rows, titles in (
            ("hardware", self._report.hardware, ("device", "configuration")),
            ("software", self._report.software, ("software-name", "version")),
        ):
            self._heading(2, key)
            pairs = self._pairs(rows, (self._say(titles[0]), self._say(titles[1])), self._say(key))
            self._add(self._caption("table", self._say(key)), pairs)

    def _procedure(self) -> None:
        report = self._report
        self._heading(1, "process")
        self._heading(2, "start")
        load = (paragraph("KitCell", run(report.load_example)) if report.load_example else "") + (
            paragraph("KitCellCode", run(report.load_command, code=True))
            if report.load_command or not report.load_example
            else ""
        )
        rows = [
            [
                cell(self._say("start-model"), "KitHead"),
                Cell(paragraph("KitCellCode", run(report.start_command, code=True))),
            ],
            [cell(self._say("run-test"), "KitHead"), Cell(load)],
        ]
        self._add(
            table(rows, (1400, PORTRAIT - 1400), about=self._say("start"), header=False, first_column=True),
            paragraph("KitNote", run(report.start_note or "")),
        )

    def _performance(self) -> None:
        report = self._report
        self._heading(2, "performance")
        titles = [self._say(f"col-{key}") for key in (*_COLUMNS, "per-stream")]
        groups = [
            (report.model_label, report.environment_label, r.case.input.label, r.case.output.label) for r in report.rows
        ]
        rows = [[cell(title, "KitHead") for title in titles]]
        shown = []
        for row, texts, merges in zip(report.rows, groups, merged(groups), strict=True):
            first = [
                Cell(paragraph("KitCell", run("" if merge == "continue" else text)), merge)
                for text, merge in zip(texts, merges, strict=True)
            ]
            figures = [
                str(row.case.load),
                *map(figure, (row.latency_s, row.output_throughput, row.ttft_s, row.tpot_s)),
                rate(row.tps),
            ]
            last, marks = rate(row.per_stream_throughput), " ".join(f"[{n}]" for n in row.notes)
            shown.append([*texts, *figures, last + " " * (len(marks) // 2)])  # raised, so half as wide
            rows.append([*first, *(cell(text, "KitNumber") for text in figures), cell(last, "KitNumber", marks=marks)])
        self._add(
            self._caption("table", self._say("performance")),
            table(
                rows,
                paper.widths(titles, shown, LANDSCAPE),
                about=self._say("performance"),
                whole_rows=word.short(groups),
            ),
            paragraph("KitNote", run(report.rounds_note)),
            *(paragraph("KitNote", run(f"[{number}] {note}")) for number, note in enumerate(report.notes, start=1)),
        )
        for found in beyond(report):
            self._details(found, LANDSCAPE)
        self._charts()

    def _details(self, found: Table, whole: int, texts: Container[int] = (0, 1)) -> None:
        if not found.rows:
            return
        self._add(self._caption("table", found.title), paper.laid(found, whole, texts))

    def _charts(self) -> None:
        """The pictures, two beside each other; what the machine did over time comes last."""
        width = LANDSCAPE // 2
        found = (*charts.of(self._report, self._lang), *overtime.of(self._report))
        cells = [self._chart(chart, 1001 + at, width * 94 // 100) for at, chart in enumerate(found)]
        for at in range(0, len(cells), 2):
            pair = [*cells[at : at + 2], paragraph("KitFigure")][:2]
            self._add(side_by_side(pair, width))

    def _one_chart(self) -> None:
        if chart := charts.main(charts.of(self._report, self._lang)):
            self._add(self._chart(chart, 1001, PORTRAIT * 62 // 100))

    def _chart(self, chart: Chart, number: int, width: int) -> str:
        """A picture with its caption."""
        across = width * _EMU_PER_TWIP
        relation, _ = self._document.part.get_or_add_image(io.BytesIO(pictures.png(chart)))
        size = (across, across * pictures.HEIGHT // pictures.WIDTH)
        shown = word.picture(relation, number, f"chart-{chart.key}", chart.alt, *size)
        note = paragraph("KitNote", run(overtime.note(self._report))) if chart.linear else ""
        return f"{paragraph('KitFigure', shown)}{self._caption('figure', chart.title)}{note}"

    def _criteria(self) -> None:
        """What was held against what, where there were criteria."""
        found = criteria(self._report)
        self._details(found, PORTRAIT, range(len(found.columns)))

    def _sign_off(self) -> None:
        found = sign_offs(self._report)
        self._details(found, PORTRAIT, range(4))
        if not found.rows:  # room for ink
            titles = [cell(self._say(f"sign-{key}"), "KitHead") for key in ("role", "name", "date", "signature")]
            rows = [
                [cell(self._say(key), "KitHead"), *(cell(" "),) * 3] for key in ("prepared", "reviewed", "approved")
            ]
            whole = table([titles, *rows], (1600, 2600, 2600, 2600), about=found.title, first_column=True)
            self._add(self._caption("table", found.title), whole)

    def _attachments(self) -> None:
        report = self._report
        self._heading(1, "attachments", new_page=True)
        self._heading(2, "hardware-details")
        self._add(
            paragraph("Normal", run(report.hardware_file)),
            paragraph("KitCode", run(report.hardware_text.rstrip("\n"), code=True)),
        )
        self._heading(2, "scripts")
        for execution in report.executions:
            when = f"{execution.started.astimezone():%Y-%m-%d %H:%M:%S %z}, {duration(execution.duration_s)}"
            self._add(
                paragraph("KitItem", run(execution.name)),
                paragraph("KitNote", run(when)),
                paragraph("KitCode", run(execution.command, code=True)),
            )
        for name, command in () if report.executions else report.commands:  # imported: no rounds of kit's own
            self._add(paragraph("KitItem", run(name)), paragraph("KitCode", run(command, code=True)))
        self._add(paragraph("KitItem", run(self._say("provenance"))))
        self._add(*(paragraph("ListBullet", run(line)) for line in report.provenance))
