"""A table of texts, as every format lays it out, and the columns that name its cases."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.model.profile import Language
from kit.model.report import CaseDetail
from kit.texts import say


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts: its title, its column titles, its rows, and what stands below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def case_columns(lang: Language) -> Sequence[str]:
    """The titles of the columns that name a case."""
    return [say(lang, key) for key in ("col-input", "col-output", "col-concurrency")]


def case_cells(detail: CaseDetail) -> tuple[str, str, str]:
    """The cells that name a case."""
    return detail.case.input.label, detail.case.output.label, str(detail.case.load)
