"""How the load met the server, and how far its times can be trusted.

One table has tokens and concurrency asked and reached, and the burst at the start; one the instrument's error; one what the server
says of its own times.
"""

from collections.abc import Callable

from kit.formats import change, figure, percent, rate
from kit.model.report import CaseDetail, Report, ServerUse, Tokens
from kit.renderers.table import Table, case_cells, case_columns
from kit.texts import say

_TIMES: tuple[tuple[str, Callable[[ServerUse], float | None]], ...] = (
    ("ttft", lambda found: found.ttft_s),
    ("queue", lambda found: found.queue_s),
    ("prefill", lambda found: found.prefill_s),
    ("rest", lambda found: found.rest_s),
    ("tpot", lambda found: found.tpot_s),
)
_METRICS = ("ttft", "tpot", "latency", "throughput")


def tables(report: Report) -> tuple[Table, ...]:
    """All of them, in their order."""
    return load(report), turns(report), error(report), trust(report)


def load(report: Report) -> Table:
    """What each case asked for, and what was reached; no rows where no request is known."""
    lang = report.language
    details = [detail for detail in report.details if detail.requests]
    # As many requests as clients, all sent at once: no request of such a case met a server that was already at work.
    burst_only = any(
        detail.load.burst == detail.requests
        and detail.case.concurrency > 1
        and detail.case.rate is None
        and detail.case.ramp_s is None
        for detail in details
    )
    rated = any(detail.case.rate is not None for detail in details)
    clock = ("sent-rate", "late", "late-most") if rated else ()
    return Table(
        title=say(lang, "applied"),
        columns=(
            *case_columns(lang),
            *(say(lang, f"applied-{key}") for key in ("input", "output", *clock, "in-flight", "peak", "burst")),
            *(say(lang, "unit-s", title=say(lang, f"applied-{key}")) for key in ("burst-ttft", "steady-ttft")),
        ),
        rows=tuple((*case_cells(detail), *_cells(detail, rated)) for detail in details),
        notes=(
            say(lang, "applied-note"),
            *((say(lang, "applied-rate-note"),) if rated else ()),
            *((say(lang, "applied-shape-note"),) if any(detail.case.shape is not None for detail in details) else ()),
            *((say(lang, "applied-ramp-note"),) if any(detail.case.ramp_s is not None for detail in details) else ()),
            *((say(lang, "applied-burst-note"),) if burst_only else ()),
            *_unknown(report),
        ),
    )


def turns(report: Report) -> Table:
    """Conversations by their turns; no rows where there are none."""
    lang = report.language
    return Table(
        title=say(lang, "turns"),
        columns=(
            *case_columns(lang),
            *(say(lang, f"turns-{key}") for key in ("turn", "requests", "input", "cached")),
            *(say(lang, "unit-s", title=say(lang, key)) for key in ("ttft", "latency")),
        ),
        rows=tuple(
            (
                *case_cells(detail),
                str(use.turn),
                f"{use.succeeded}/{use.requests}",
                *map(figure, (use.input_tokens, use.cached_tokens, use.ttft_s, use.latency_s)),
            )
            for detail in report.details
            for use in detail.turns
        ),
        notes=(say(lang, "turns-note"),),
    )


def error(report: Report) -> Table:
    """The instrument's error by case, as a share of its figures; no rows where none was tried."""
    lang = report.language
    tried = [bool(detail.load.instrument) for detail in report.details]
    return Table(
        title=say(lang, "error"),
        columns=(
            *case_columns(lang),
            *(say(lang, f"error-of-{name}") for name in _METRICS),
        ),
        rows=tuple((*case_cells(detail), *(_error(detail, name) for name in _METRICS)) for detail in report.details)
        if any(tried)
        else (),
        notes=(say(lang, "error-note"), *(() if all(tried) else (say(lang, "error-untried"),))),
    )


def trust(report: Report) -> Table:
    """The server's own times by case; no rows where they are known of none."""
    lang, details = report.language, report.details
    times = [
        (name, value)
        for name, value in _TIMES
        if any(detail.server is not None and value(detail.server) is not None for detail in details)
    ]
    return Table(
        title=say(lang, "trust"),
        columns=(*case_columns(lang), *(say(lang, "unit-s", title=say(lang, f"trust-{name}")) for name, _ in times)),
        rows=tuple(
            (*case_cells(detail), *(_time(detail.server, name, value) for name, value in times)) for detail in details
        )
        if times
        else (),
        notes=(say(lang, "trust-server-note"),),
    )


def _unknown(report: Report) -> tuple[str, ...]:
    """Why the instrument's error, or the server's times, are not known."""
    return tuple(note for note in (report.instrument_note, report.server_note) if note is not None)


def _cells(detail: CaseDetail, rated: bool) -> tuple[str, ...]:
    found = detail.load
    late = (None if value is None else value * 1000 for value in (found.late_s, found.late_most_s))
    return (
        _tokens(found.input_tokens),
        _tokens(found.output_tokens),
        *((figure(found.sent_rate), *map(figure, late)) if rated else ()),
        figure(found.in_flight),
        "—" if found.in_flight_peak is None else str(found.in_flight_peak),
        "—" if found.burst is None else percent(found.burst, detail.requests),
        figure(found.burst_ttft_s),
        figure(found.steady_ttft_s),
    )


def _time(found: ServerUse | None, name: str, value: Callable[[ServerUse], float | None]) -> str:
    """`0.512 (+0.8%)`: what the server says, and how far the client's mean lies above it."""
    if found is None:
        return figure(None)
    ahead, text = dict(found.ahead).get(name), (rate if name == "tpot" else figure)(value(found))
    return text if ahead is None else f"{text} ({change(ahead)})"


def _error(detail: CaseDetail, metric: str) -> str:
    """`+0.12% (+0.10% … +0.31%)`: the median of the trials, the least and the largest where they read otherwise."""
    share = dict(detail.load.instrument).get(metric)
    if share is None:
        return "—"
    median, least, most = (change(value, 2) for value in (share.median, share.least, share.most))
    return median if least == most else f"{median} ({least} … {most})"


def _tokens(found: Tokens | None) -> str:
    """`131`, or the mean with its range: `130.5 (128–133)`."""
    if found is None:
        return "—"
    if found.least == found.most:
        return str(found.least)
    return f"{figure(found.mean)} ({found.least}–{found.most})"
