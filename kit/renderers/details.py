"""The tables beyond the original's columns, as text: shared by Markdown, Word and HTML."""

import math
from collections.abc import Callable, Iterator, Sequence

from kit.formats import apart, change, figure, percent, rate
from kit.model import Spread
from kit.model.percentiles import FEWEST
from kit.model.report import Estimate, MachineUse, PerformanceRow, Report, Within
from kit.renderers import applied
from kit.renderers.table import Table, case_cells, case_columns
from kit.report import verdicts
from kit.texts import say
from kit.texts.facts import reason as said

BRIEF_LINES = 6

_WRITERS = (*(figure,) * 4, *(rate,) * 2)
"""How the six figures of a row are written."""
_OF_THE_HOST = {"cpu-use", "client-use"}
"""What is said of the machine itself, whatever accelerators it has."""


def stability(report: Report) -> Table:
    """Requests, failures, and means over rounds with their confidence intervals."""
    lang = report.language
    return Table(
        title=say(lang, "stability"),
        columns=(
            *case_columns(lang),
            *(say(lang, key) for key in ("rounds", "requests", "failures", "success-rate")),
            say(lang, "unit-s", title=say(lang, "latency")),
            say(lang, "unit-rate", title=say(lang, "throughput")),
            say(lang, "unit-s", title=say(lang, "ttft")),
            say(lang, "unit-s", title=say(lang, "tpot")),
        ),
        rows=tuple(
            (
                *case_cells(detail),
                str(detail.rounds)
                if detail.rounds == detail.rounds_planned
                else f"{detail.rounds}/{detail.rounds_planned}",
                str(detail.requests),
                str(detail.failed),
                percent(detail.succeeded, detail.requests),
                *map(estimate, (detail.latency, detail.output_throughput, detail.ttft, detail.tpot)),
            )
            for detail in report.details
        ),
        notes=(say(lang, "stability-note"),),
    )


def distribution(report: Report) -> Table:
    """Percentiles of single requests, and the prefill speed."""
    lang = report.language
    names = ("latency", "short-ttft", "short-tpot")
    rows = tuple(
        (
            *case_cells(detail),
            *(
                percentile(spread, name, write, within)
                for spread, points, write in (
                    (detail.latency_s, detail.latency_points, figure),
                    (detail.ttft_s, detail.ttft_points, figure),
                    (detail.tpot_s, detail.tpot_points, rate),
                )
                for name, within in zip(FEWEST, points or (None,) * len(FEWEST), strict=True)
            ),
            figure(detail.prefill_speed),
        )
        for detail in report.details
    )
    spreads = [spread for detail in report.details for spread in (detail.latency_s, detail.ttft_s, detail.tpot_s)]
    few = any(spread is not None and spread.count < max(FEWEST.values()) for spread in spreads)
    return Table(
        title=say(lang, "distribution"),
        columns=(
            *case_columns(lang),
            *(say(lang, "unit-s", title=f"{say(lang, name)} {which}") for name in names for which in FEWEST),
            say(lang, "unit-rate", title=say(lang, "prefill")),
        ),
        rows=rows,
        notes=(say(lang, "distribution-note"), *((say(lang, "few-note", **FEWEST),) if few else ())),
    )


def comparison(report: Report) -> Table:
    """What the baseline says beside what was measured, cases that only the baseline has at the end; no rows without one."""
    lang = report.language
    old = {row.case.key: row for row in report.baseline.rows} if report.baseline else {}
    new = {row.case.key: row for row in report.rows} if report.baseline else {}
    cases = {key: row.case for key, row in (new | old).items()}
    return Table(
        title=say(lang, "comparison"),
        columns=(
            *case_columns(lang),
            say(lang, "unit-s", title=say(lang, "latency")),
            say(lang, "unit-rate", title=say(lang, "throughput")),
            *(say(lang, "unit-s", title=say(lang, name)) for name in ("short-ttft", "short-tpot")),
            "TPS",
            say(lang, "metric-per_stream_throughput"),
        ),
        rows=tuple(
            (case.input.label, case.output.label, str(case.load), *_both(old.get(key), new.get(key)))
            for key, case in cases.items()
        ),
        notes=(say(lang, "comparison-note", name=report.baseline.name),) if report.baseline else (),
    )


def _both(old: PerformanceRow | None, new: PerformanceRow | None) -> Sequence[str]:
    return [_change(write, *pair) for write, *pair in zip(_WRITERS, _six(old), _six(new), strict=True)]


def _six(row: PerformanceRow | None) -> Sequence[float | None]:
    if row is None:
        return (None,) * 6
    return row.latency_s, row.output_throughput, row.ttft_s, row.tpot_s, row.tps, row.per_stream_throughput


def _change(write: Callable[[float | None], str], old: float | None, new: float | None) -> str:
    both = f"{write(old)} → {write(new)}"
    return both if old is None or new is None or old == 0 else f"{both} ({change((new - old) / old)})"


def machine(report: Report) -> Table:
    """What the machine's tools said of each case: only what was measured at all has a column, and nothing measured no rows."""
    lang = report.language
    uses = [detail.machine or MachineUse() for detail in report.details]
    told: list[tuple[str, list[str]]] = [
        ("power", [figure(use.power_w) for use in uses]),
        ("power-peak", [figure(use.power_peak_w) for use in uses]),
        ("efficiency", [rate(use.tokens_per_joule) for use in uses]),
        ("card-use", [figure(use.utilisation_percent) for use in uses]),
        ("card-memory", [_gib(use.memory_peak_bytes) for use in uses]),
        ("card-heat", [figure(use.temperature_peak_c) for use in uses]),
        ("cpu-use", [figure(use.cpu_percent) for use in uses]),
        ("client-use", [figure(use.client_peak_percent) for use in uses]),
    ]
    shown = [(key, values) for key, values in told if set(values) != {figure(None)} and values]
    names = {key for key, _ in shown}
    few = any(figure(None) in values for key, values in shown if key in _OF_THE_HOST)
    reasons = dict.fromkeys(reason for use in uses for reason in use.reasons)
    return Table(
        title=say(lang, "machine-use"),
        columns=(*case_columns(lang), *(say(lang, f"use-{key}") for key, _ in shown)),
        rows=tuple(
            (*case_cells(detail), *(values[number] for _, values in shown))
            for number, detail in enumerate(report.details)
        )
        if shown
        else (),
        notes=(
            *(() if names <= _OF_THE_HOST else (say(lang, "machine-use-note"),)),
            *((say(lang, "machine-use-few"),) if few else ()),
            *(say(lang, "machine-use-none", reason=said(lang, reason)) for reason in reasons),
        ),
    )


def _gib(amount: int | None) -> str:
    return figure(None if amount is None else amount / 1024**3)


def beyond(report: Report) -> tuple[Table, ...]:
    """The tables that stand behind the performance table, those that have rows."""
    return tuple(
        found
        for found in (
            stability(report),
            distribution(report),
            *applied.tables(report),
            machine(report),
            comparison(report),
        )
        if found.rows
    )


def criteria(report: Report) -> Table:
    """Each criterion with its limit, value and verdict; no rows where there were none."""
    lang = report.language
    return Table(say(lang, "criteria"), verdicts.columns(lang), verdicts.rows(report.verdict, lang), ())


def sign_offs(report: Report) -> Table:
    """Who signed, as what, when, and with which key; no rows where nobody has."""
    lang, found = report.language, report.signed
    return Table(
        title=say(lang, "sign-off"),
        columns=tuple(say(lang, key) for key in ("sign-role", "sign-name", "sign-time", "sign-key")),
        rows=tuple(
            (
                say(lang, f"role-{one.role}"),
                one.name,
                f"{one.at.astimezone():%Y-%m-%d %H:%M:%S %z}{'' if one.clock == 'own' else ' *'}",
                one.key,
            )
            for one in (found.sign_offs if found is not None else ())
        ),
        notes=tuple(_sign_notes(report)),
    )


def _sign_notes(report: Report) -> Iterator[str]:
    if report.signed is not None:
        yield say(report.language, "sign-note", sha256=report.signed.statement_sha256)
        if any(one.clock != "own" for one in report.signed.sign_offs):
            yield say(report.language, "sign-note-stamped")


def highlights(report: Report) -> Table:
    """Five figures for those who read no more: each with the case that it is from."""
    lang, rows = report.language, report.rows
    sent, good = sum(detail.requests for detail in report.details), sum(d.succeeded for d in report.details)
    picks = (
        ("high-throughput", "tok/s", figure, [(row.output_throughput, row) for row in rows], max),
        ("high-tps", "tok/s", rate, [(row.tps, row) for row in rows], max),
        ("high-ttft-least", "s", figure, [(row.ttft_s, row) for row in rows], min),
        ("high-ttft-most", "s", figure, [(row.ttft_s, row) for row in rows], max),
    )
    found, doubted = [], False
    for key, unit, written, values, choose in picks:
        known = [(value, row) for value, row in values if value is not None]
        if not known:
            found.append((say(lang, key), "—", "—"))
            continue
        value, row = choose(known, key=lambda pair: pair[0])
        doubted |= bool(row.notes)
        found.append((say(lang, key), f"{written(value)} {unit}", f"{row.case.id}{' †' if row.notes else ''}"))
    found.append((say(lang, "high-success"), percent(good, sent), say(lang, "high-requests", good=good, sent=sent)))
    return Table(
        title=say(lang, "highlights"),
        columns=tuple(say(lang, key) for key in ("col-metric", "col-value", "col-case")),
        rows=tuple(found),
        notes=(say(lang, "highlights-note"), *((say(lang, "highlights-doubted"),) if doubted else ())),
    )


def brief_conclusion(report: Report) -> tuple[str, ...]:
    """The conclusion in few lines; how many more there are is said."""
    lines = report.conclusion
    if len(lines) <= BRIEF_LINES:
        return lines
    kept = lines[: BRIEF_LINES - 1]
    return (*kept, say(report.language, "more-lines", count=len(lines) - len(kept)))


def estimate(value: Estimate) -> str:
    """`26.69 ± 0.32`: the interval with two significant digits, rounded up, and the mean as far; without one the mean alone."""
    if value.mean is None or value.half_width is None:
        return figure(value.mean)
    if value.half_width == 0:
        return f"{figure(value.mean)} ± 0"
    places = min(9, max(0, 1 - math.floor(math.log10(value.half_width))))
    width = math.ceil(value.half_width * 10**places - 1e-9) / 10**places
    return f"{value.mean:.{places}f} ± {width:.{places}f}"


def percentile(
    spread: Spread | None, name: str, write: Callable[[float], str] = figure, within: Within | None = None
) -> str:
    """A percentile, with its interval where there is one: `12.3 (11.9–12.8)`; where the samples do not carry it, how many there are instead."""
    if spread is None:
        return figure(None)
    value = spread.percentile(name)
    if value is None:
        return f"n={spread.count}"
    if within is None:
        return write(value)
    text, low, high = apart((value, within.low, within.high), write)
    return f"{text} ({low}–{high})"
