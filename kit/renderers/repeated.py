"""The tables of a repeated run: every case against the original, what is not within the tolerance, and what was otherwise."""

from kit.model.report import Report
from kit.renderers.table import Table
from kit.report import repetition
from kit.texts import say
from kit.texts.facts import fact


def tables(report: Report) -> tuple[Table, ...]:
    """Those that have rows; none for a run that repeats no other."""
    found, lang = report.repeated, report.language
    if found is None:
        return ()
    metrics = repetition.metrics(found)
    note = say(lang, "repeat-cases-note", tolerances=repetition.tolerances(found, lang))
    cases = Table(
        title=say(lang, "repeat-cases", original=found.original),
        columns=repetition.columns(lang, metrics),
        rows=repetition.rows(found),
        notes=(note,),
    )
    beyond = Table(
        title=say(lang, "repeat-beyond"),
        columns=(
            *(say(lang, key) for key in ("col-case", "col-metric")),
            *(say(lang, f"repeat-col-{key}") for key in ("original", "now", "change", "allowed")),
            say(lang, "col-outcome"),
        ),
        rows=repetition.beyond(found, lang),
        notes=(),
    )
    differences = Table(
        title=say(lang, "repeat-differences"),
        columns=tuple(say(lang, f"repeat-col-{key}") for key in ("item", "original", "now", "matters")),
        rows=tuple(
            (fact(lang, one.name), *repetition.sides(one), say(lang, "repeat-yes" if one.performance else "repeat-no"))
            for one in found.differences
        ),
        notes=(),
    )
    return tuple(table for table in (cases, beyond, differences) if table.rows)
