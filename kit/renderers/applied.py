"""The table of how the load met the server: tokens and concurrency asked and reached, and the burst at the start."""

from kit.formats import figure, percent
from kit.model.report import CaseDetail, Report, Tokens
from kit.renderers.table import Table, case_cells, case_columns
from kit.texts import say


def load(report: Report) -> Table:
    """What each case asked for, and what was reached; no rows where no request is known."""
    lang = report.language
    details = [detail for detail in report.details if detail.requests]
    # As many requests as clients, all sent at once: no request of such a case met a server that was already at work.
    burst_only = any(detail.load.burst == detail.requests and detail.case.concurrency > 1 for detail in details)
    # Only some servers say how long they took.
    told = any(detail.load.server_prefill_s is not None for detail in details)
    more = ("server-prefill", "waiting") if told else ()
    tried = any(detail.load.instrument for detail in details)
    metrics = ("ttft", "tpot", "throughput") if tried else ()
    return Table(
        title=say(lang, "applied"),
        columns=(
            *case_columns(lang),
            *(say(lang, f"applied-{key}") for key in ("input", "output", "in-flight", "peak", "burst")),
            *(say(lang, "unit-s", title=say(lang, f"applied-{key}")) for key in ("burst-ttft", "steady-ttft", *more)),
            *(say(lang, "applied-instrument", metric=say(lang, f"short-{name}")) for name in metrics),
        ),
        rows=tuple(
            (
                *case_cells(detail),
                *_cells(detail),
                *(_server(detail) if told else ()),
                *(_error(detail, name) for name in metrics),
            )
            for detail in details
        ),
        notes=(
            say(lang, "applied-note"),
            *((say(lang, "applied-server-note"),) if told else ()),
            *((say(lang, "applied-burst-note"),) if burst_only else ()),
            *((say(lang, "applied-instrument-note"),) if tried else ()),
            *((report.instrument_note,) if report.instrument_note is not None else ()),
        ),
    )


def _cells(detail: CaseDetail) -> tuple[str, ...]:
    found = detail.load
    return (
        _tokens(found.input_tokens),
        _tokens(found.output_tokens),
        figure(found.in_flight),
        "—" if found.in_flight_peak is None else str(found.in_flight_peak),
        "—" if found.burst is None else percent(found.burst, detail.requests),
        figure(found.burst_ttft_s),
        figure(found.steady_ttft_s),
    )


def _server(detail: CaseDetail) -> tuple[str, str]:
    return figure(detail.load.server_prefill_s), figure(detail.load.waiting_s)


def _error(detail: CaseDetail, metric: str) -> str:
    share = dict(detail.load.instrument).get(metric)
    return "—" if share is None else f"{share:+.2%}"


def _tokens(found: Tokens | None) -> str:
    """`131`, or the mean with its range: `130.5 (128–133)`."""
    if found is None:
        return "—"
    if found.least == found.most:
        return str(found.least)
    return f"{figure(found.mean)} ({found.least}–{found.most})"
