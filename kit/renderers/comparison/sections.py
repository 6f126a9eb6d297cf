"""A comparison as sections of sentences, tables and charts: what Markdown, Word and HTML show alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.formats import figure, rate
from kit.model.comparison import COMPARED, CaseFigures, Comparison, Contender, Ratio
from kit.renderers.charts import Chart
from kit.renderers.comparison import curves
from kit.renderers.table import Table
from kit.texts import say
from kit.texts.facts import fact

MARKS = {"better": "▲", "worse": "▼", "noise": "≈", "instrument": "∓", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it."""

    key: str
    title: str
    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()


def title(found: Comparison) -> str:
    """What is compared, in one line."""
    return " / ".join(f"{entry.letter} {entry.name}" for entry in found.contenders)


def warning(found: Comparison) -> str | None:
    """What stands on top where differing conditions were admitted."""
    if not found.allowed:
        return None
    keys = [
        say(
            found.language,
            "compare-allowed-key",
            name=entry.name,
            values=say(found.language, "comma").join(
                say(
                    found.language,
                    "labelled",
                    name=contender.letter,
                    text=value if value is not None else say(found.language, "compare-not-told"),
                )
                for contender, value in zip(found.contenders, entry.values, strict=True)
            ),
        )
        for entry in found.allowed
    ]
    return say(found.language, "compare-allowed", keys=say(found.language, "and").join(keys))


def of(found: Comparison) -> tuple[Section, ...]:
    """All sections in order; what would be empty is left out."""
    return tuple(section for section in _sections(found) if section.lines or section.tables or section.charts)


def _sections(found: Comparison) -> Iterator[Section]:
    lang = found.language

    def titled(key: str) -> str:
        return say(lang, f"compare-{key}")

    unknown = [
        say(lang, "compare-unknown-key", name=key, sides=say(lang, "list").join(_letters(found, names)))
        for key, names in found.unknown
    ]
    told = (say(lang, "compare-unknown", keys=say(lang, "and").join(unknown)),) if unknown else ()
    yield Section("verdict", titled("verdict"), lines=(*found.words, *told))
    yield Section("sides", titled("sides"), tables=(_sides(found),))
    yield Section("overall", titled("overall"), tables=_filled(_overall(found)))
    yield Section("cases", titled("cases"), tables=_filled(*_cases(found)))
    yield Section("phases", titled("phases"), tables=_filled(_phases(found)))
    yield Section("scaling", titled("scaling"), tables=_filled(_scaling(found)))
    yield Section("curves", titled("curves"), charts=curves.of(found))
    yield Section("differences", titled("differences"), tables=_filled(_differences(found)))
    yield Section("method", titled("method"), lines=tuple(_method(found)))


def _filled(*tables: Table) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)


def _letters(found: Comparison, names: Sequence[str]) -> list[str]:
    return [entry.letter for entry in found.contenders if entry.name in names]


def _sides(found: Comparison) -> Table:
    lang = found.language
    keys = ("side", "name", "hardware", "engine", "cards", "rounds", "started")
    priced = found.currency is not None
    cost = (say(lang, "compare-col-cost", currency=found.currency),) if priced else ()
    kinds = {"run": "", "table": say(lang, "compare-table"), "report": say(lang, "compare-old-report")}
    return Table(
        title=say(lang, "compare-sides"),
        columns=(*(say(lang, f"compare-col-{key}") for key in keys), *cost),
        rows=tuple(
            (
                say(lang, "compare-baseline", letter=entry.letter) if entry is found.baseline else entry.letter,
                say(lang, "compare-named", name=entry.name, kind=kinds[entry.kind])
                if kinds[entry.kind]
                else entry.name,
                entry.hardware,
                entry.engine,
                "—" if entry.accelerators is None else str(entry.accelerators),
                str(entry.rounds),
                "—" if entry.started is None else f"{entry.started.astimezone():%Y-%m-%d %H:%M}",
                *((figure(entry.hourly),) if priced else ()),
            )
            for entry in found.contenders
        ),
        notes=(),
    )


def ratio(found: Ratio | None) -> str:
    """`1.100 [1.081, 1.120] ▲`; a star where only requests were resampled."""
    if found is None or found.ratio is None:
        return "—"
    between = f" [{found.low:.3f}, {found.high:.3f}]" if found.low is not None and found.high is not None else ""
    star = "*" if found.method == "requests" else ""
    return f"{found.ratio:.3f}{between}{star} {MARKS[found.difference]}"


def _notes(found: Comparison, ratios: Sequence[Ratio]) -> tuple[str, ...]:
    only = any(entry.method == "requests" for entry in ratios)
    return (say(found.language, "compare-marks"), *((say(found.language, "compare-requests-only"),) if only else ()))


def _overall(found: Comparison) -> Table:
    lang = found.language
    gains = [
        name
        for name in ("per_accelerator", "per_joule", "per_cost")
        if any(name in dict(e.efficiency) for e in found.others)
    ]
    return Table(
        title=say(lang, "compare-overall"),
        columns=(
            say(lang, "compare-col-side"),
            say(lang, "compare-col-hardware"),
            *(say(lang, f"metric-{metric}") for metric in COMPARED),
            *(say(lang, f"compare-gain-{name}") for name in gains),
        ),
        rows=tuple(
            (
                f"{entry.letter} / {found.baseline.letter}",
                entry.hardware,
                *map(ratio, entry.overall),
                *(f"{dict(entry.efficiency)[name]:.3f}" if name in dict(entry.efficiency) else "—" for name in gains),
            )
            for entry in found.others
        ),
        notes=_notes(found, ()),
    )


def _case_titles(found: Comparison) -> tuple[str, ...]:
    return tuple(say(found.language, f"col-{key}") for key in ("input", "output", "concurrency"))


def _cases(found: Comparison) -> tuple[Table, ...]:
    """By case: all sides of a case below each other. By hardware: a table for each side."""
    groups = [found.others] if found.by == "case" else [(entry,) for entry in found.others]
    return tuple(_case_table(found, group) for group in groups)


def _case_table(found: Comparison, group: Sequence[Contender]) -> Table:
    lang = found.language
    rows = []
    for first in found.baseline.cases:
        for entry in group:
            row = next(
                (case for case in entry.against if case.key == first.key),
                None,
            )
            if row is not None:
                case = (row.input.label, row.output.label, str(row.load))
                rows.append((*case, f"{entry.letter} / {found.baseline.letter}", *map(ratio, row.ratios)))
    name = say(lang, "compare-cases")
    if found.by == "hardware":
        name = say(lang, "labelled", name=name, text=f"{group[0].letter} {group[0].hardware}")
    every = [value for entry in group for case in entry.against for value in case.ratios]
    return Table(
        title=name,
        columns=(*_case_titles(found), say(lang, "compare-col-side"), *(say(lang, f"metric-{m}") for m in COMPARED)),
        rows=tuple(rows),
        notes=_notes(found, every),
    )


def _by_case(found: Comparison) -> Iterator[tuple[Contender, CaseFigures]]:
    keys = dict.fromkeys(case.key for entry in found.contenders for case in entry.cases)
    for key in keys:
        for entry in found.contenders:
            for case in entry.cases:
                if case.key == key:
                    yield entry, case


def _phases(found: Comparison) -> Table:
    """What was measured, prefill and decode apart, and what came out of an accelerator, a joule and a unit of money."""
    lang = found.language
    values = ("per_accelerator", "per_joule", "per_cost")
    told = [name for name in values if any(getattr(case, name) is not None for _, case in _by_case(found))]
    titles = {
        "per_accelerator": say(lang, "compare-col-per-accelerator"),
        "per_joule": say(lang, "compare-col-per-joule"),
        "per_cost": say(lang, "compare-col-per-cost", currency=found.currency),
    }
    return Table(
        title=say(lang, "compare-phases"),
        columns=(
            *_case_titles(found),
            say(lang, "compare-col-side"),
            say(lang, "unit-rate", title=say(lang, "throughput")),
            say(lang, "unit-s", title=say(lang, "short-ttft")),
            say(lang, "unit-rate", title=say(lang, "prefill")),
            say(lang, "unit-s", title=say(lang, "short-tpot")),
            say(lang, "compare-col-decode"),
            *(titles[name] for name in told),
        ),
        rows=tuple(
            (
                *(case.input.label, case.output.label, str(case.load), entry.letter),
                *map(figure, (case.output_throughput, case.ttft, case.prefill_speed)),
                *map(rate, (case.tpot, case.tps)),
                *(_significant(getattr(case, name)) for name in told),
            )
            for entry, case in _by_case(found)
        ),
        notes=(say(lang, "compare-phases-note"), *((say(lang, "compare-efficiency-note"),) if told else ())),
    )


def _significant(value: float | None) -> str:
    """Four digits at least, whatever the unit of money or energy makes of the size: 0.0832, 16.64, 12222."""
    return "—" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def _scaling(found: Comparison) -> Table:
    """One row for the lengths of a side, one column for each number of clients."""
    lang = found.language
    clients = sorted(
        {case.concurrency for entry in found.contenders for case in entry.cases if case.scaling is not None}
    )
    rows: dict[tuple[str, str, str], dict[int, str]] = {}
    for entry, case in _by_case(found):
        if case.scaling is not None and case.scaling_of is not None:
            row = rows.setdefault((case.input.label, case.output.label, entry.letter), {})
            row[case.concurrency] = f"{case.scaling:.2f} ({case.scaling / case.scaling_of:.0%})"
    return Table(
        title=say(lang, "compare-scaling"),
        columns=(*_case_titles(found)[:2], say(lang, "compare-col-side"), *map(str, clients)),
        rows=tuple((*key, *(row.get(count, "—") for count in clients)) for key, row in rows.items()),
        notes=(say(lang, "compare-scaling-note"),),
    )


def _differences(found: Comparison) -> Table:
    lang = found.language
    missing = say(lang, "compare-not-told")
    return Table(
        title=say(lang, "compare-differences"),
        columns=(say(lang, "compare-col-item"), *(entry.letter for entry in found.contenders)),
        rows=tuple(
            (fact(lang, entry.name), *(missing if value is None else value for value in entry.values))
            for entry in found.differences
        ),
        notes=(say(lang, "compare-differences-note", dash="—"),),
    )


def _method(found: Comparison) -> Iterator[str]:
    lang = found.language
    if not found.tested:
        yield say(lang, "compare-method-none")
    else:
        yield say(lang, "compare-method-interval")
        yield say(lang, "compare-method-family", count=found.tested, family=f"{found.family:.0%}")
    if len(found.untried) < len(found.contenders):
        yield say(lang, "compare-method-instrument")
    if found.untried:
        yield say(lang, "compare-method-untried", sides=say(lang, "comma").join(found.untried))
    yield f"kit {found.kit_version}"
