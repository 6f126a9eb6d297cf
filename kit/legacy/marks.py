"""What tables and reports say of themselves where they are no whole measurement: kit's own marks, in either language."""

import re

from kit.texts import CATALOGUE

_MARKS = frozenset(text for key in ("draft", "rehearsal", "forced") for text in CATALOGUE[key])
_BETWEEN = re.compile(r"\s*[；;]\s*")
# By the word alone: what stands in a table may have been shortened by somebody.
_REHEARSAL = re.compile(r"演练|rehears", re.IGNORECASE)
_INCOMPLETE = re.compile(r"未完成|incomplete", re.IGNORECASE)


def of(text: str) -> str | None:
    """The mark that a line of a report consists of; None where it says anything else."""
    found = text.strip("*> \n")
    return found if set(_BETWEEN.split(found)) <= _MARKS else None


def is_rehearsal(mark: str | None) -> bool:
    """Whether a mark says that stand-ins took part."""
    return mark is not None and _REHEARSAL.search(mark) is not None


def is_incomplete(mark: str | None) -> bool:
    """Whether a mark says that the test was not finished."""
    return mark is not None and _INCOMPLETE.search(mark) is not None
