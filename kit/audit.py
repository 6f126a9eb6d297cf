"""Auditing a table of results: relations that any such table must satisfy, with the tolerance that its rounding allows.

A row is held against itself and against its neighbours. Every deviation beyond the tolerance is a finding with its cells,
the value expected, its size, and the likely explanation. Nothing here knows who wrote the table.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kit.model.table import Cell, Row
from kit.model.verdict import Audit, Check, Finding

AGREE = 0.03
"""Readings of the same requests agree to this: decode rates, and throughput where requests may end at different times."""
EXACT = 0.001
"""What a clock and a client's own time may add to a relation that otherwise holds exactly."""
NOISE = 0.005
"""The same, for a TPOT beyond its own rounding."""
TREND = 0.10
"""A fall of less is taken for noise: more tokens in or more clients cannot make a request faster."""

_LARGEST = {
    "latency": 7 * 86_400.0,
    "ttft": 7 * 86_400.0,
    "tpot": 600.0,
    "output_throughput": 1e8,
    "tps": 1e6,
    "per_stream_throughput": 1e6,
}


@dataclass(frozen=True, slots=True)
class _Range:
    """Where a value lies that follows from rounded ones."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class _Held:
    """One relation in one row: the deviation, and the finding where it is too large."""

    size: float | None
    finding: Finding | None = None


def table(source: str, rows: Sequence[Row], skipped: Iterable[str] = (), extra: Sequence[Finding] = ()) -> Audit:
    """The audit of a table; `extra` are findings of a second reading, of which only kit's own runs have one."""
    sane = [row for row in rows if not _magnitude(row)[1]]
    checks: list[Check] = []
    findings: list[Finding] = []

    def record(identity: str, held: Sequence[_Held]) -> None:
        found = [entry.finding for entry in held if entry.finding is not None]
        sizes = [abs(entry.size) for entry in held if entry.size is not None]
        worst = max(sizes, default=None)
        checks.append(Check(identity=identity, rows=len(held), broken=len(found), worst=worst))
        findings.extend(found)

    record("magnitude", [_Held(None, found[0] if found else None) for _, found in map(_magnitude, rows)])
    for identity, check in _RELATIONS.items():
        record(identity, [held for row in sane if (held := check(row)) is not None])
    record("ttft-input", list(_trend(sane, "ttft-input", "ttft", _by_input)))
    record(
        "latency-concurrency",
        list(_trend([row for row in sane if row.rate is None], "latency-concurrency", "latency", _by_concurrency)),
    )
    return Audit(
        source=source,
        rows=len(rows),
        checks=tuple(checks),
        findings=(*findings, *extra),
        skipped=tuple(skipped),
    )


# --- relations inside a row --------------------------------------------------------------------------------------


def _magnitude(row: Row) -> tuple[Row, list[Finding]]:
    return row, [
        Finding(
            identity="magnitude",
            case=row.name,
            cells=(_named(name, cell),),
            found=cell.value,
            expected=0.0 if cell.value <= 0 else _LARGEST[name],
            size=None,
            explanation="impossible",
        )
        for name, cell in row.cells()
        if not 0 < cell.value <= _LARGEST[name]
    ]


def _throughput(row: Row) -> _Held | None:
    if row.output_throughput is None:
        return None
    if row.window_s is not None and row.tokens is not None and row.requests is not None:
        middle = row.requests * row.tokens / row.window_s
        held = _equal("throughput", row, ("output_throughput",), _Range(middle, middle, middle), EXACT, EXACT)
        return _explained(held, "recount")
    # As many requests as clients, all at once: the time that counts is the latency. With more, it is not known.
    if (
        row.latency is None
        or row.rate is not None
        or row.shape is not None
        or row.requests not in (None, row.concurrency)
    ):
        return None
    tokens = row.concurrency * row.output.tokens
    # One request ends when it ends; several need not end together, and then the last one's time counts.
    below = EXACT if row.concurrency == 1 else AGREE
    held = _equal("throughput", row, ("output_throughput", "latency"), _inverse(row.latency, tokens), EXACT, below)
    return _explained(held, "throughput-above" if held.size is not None and held.size > 0 else "throughput-below")


def _per_stream(row: Row) -> _Held | None:
    total = row.output_throughput
    if row.per_stream_throughput is None or total is None or row.rate is not None:
        return None
    share = _Range(*(value / row.concurrency for value in (total.low, total.value, total.high)))
    return _equal("per-stream", row, ("per_stream_throughput", "output_throughput"), share, EXACT / 10, EXACT / 10)


def _tps_tpot(row: Row) -> _Held | None:
    if row.tps is None or row.tpot is None:
        return None
    return _equal("tps-tpot", row, ("tps", "tpot"), _inverse(row.tpot, 1), EXACT / 10, EXACT / 10)


def _tpot(row: Row) -> _Held | None:
    decode = _decode(row)
    if row.tpot is None or decode is None:
        return None
    held = _equal("tpot", row, ("tpot", "latency", "ttft"), decode, NOISE, NOISE)
    return _explained(held, "rounds")


def _tps(row: Row) -> _Held | None:
    decode = _decode(row)
    if row.tps is None or decode is None or decode.low <= 0:
        return None
    rate = _Range(1 / decode.high, 1 / decode.middle, 1 / decode.low)
    held = _equal("tps", row, ("tps", "latency", "ttft"), rate, AGREE, AGREE)
    cell = row.tpot
    rounded = (
        cell is not None
        and cell.low <= decode.middle <= cell.high
        and math.isclose(row.tps.value, 1 / cell.value, rel_tol=1e-4)
    )
    return _explained(held, "rounding" if rounded else "rounds")


def _decoding(row: Row) -> _Held | None:
    if row.tps is None or row.uneven:
        return None
    share, names = row.per_stream_throughput, ("tps", "per_stream_throughput")
    if share is None:
        return None
    # The first token comes with the prefill: without it, the slowest decoding is this much of the whole rate.
    least = (row.output.tokens - 1) / row.output.tokens
    size = (row.tps.value - share.value) / share.value
    if row.tps.high >= share.low * least * (1 - 1e-9):
        return _Held(min(size, 0.0))
    return _Held(size, _finding("decode", row, names, share.value, size, "decode"))


def _ttft_latency(row: Row) -> _Held | None:
    if row.ttft is None or row.latency is None:
        return None
    size = (row.ttft.value - row.latency.value) / row.latency.value
    late = row.ttft.low > row.latency.high
    found = _finding("ttft-latency", row, ("ttft", "latency"), row.latency.value, size, "unit") if late else None
    return _Held(max(size, 0.0), found)


_RELATIONS: dict[str, Callable[[Row], _Held | None]] = {
    "throughput": _throughput,
    "per-stream": _per_stream,
    "tps-tpot": _tps_tpot,
    "tpot": _tpot,
    "tps": _tps,
    "decode": _decoding,
    "ttft-latency": _ttft_latency,
}


def _decode(row: Row) -> _Range | None:
    """The time per output token that latency and TTFT tell."""
    if (
        row.uneven
        or row.latency is None
        or row.ttft is None
        or row.output.tokens < 2
        or row.latency.low <= row.ttft.high
    ):
        return None
    tokens = (row.tokens if row.tokens is not None else row.output.tokens) - 1
    if tokens <= 0:
        return None
    return _Range(
        (row.latency.low - row.ttft.high) / tokens,
        (row.latency.value - row.ttft.value) / tokens,
        (row.latency.high - row.ttft.low) / tokens,
    )


def _inverse(cell: Cell, of: float) -> _Range:
    return _Range(of / cell.high, of / cell.value, of / cell.low if cell.low > 0 else math.inf)


def _equal(identity: str, row: Row, names: Sequence[str], wanted: _Range, above: float, below: float) -> _Held:
    """Hold a cell, the first of `names`, against what the others make of it."""
    cell = dict(row.cells())[names[0]]
    size = (cell.value - wanted.middle) / wanted.middle
    if cell.low <= wanted.high * (1 + above) and cell.high >= wanted.low * (1 - below):
        return _Held(size)
    return _Held(size, _finding(identity, row, names, wanted.middle, size, "derived"))


def _explained(held: _Held, explanation: str) -> _Held:
    """The likely explanation, unless a factor of a thousand already is one."""
    if held.finding is None or held.finding.explanation == "unit":
        return held
    return _Held(held.size, held.finding.model_copy(update={"explanation": explanation}))


def _finding(identity: str, row: Row, names: Iterable[str], expected: float, size: float, explanation: str) -> Finding:
    cells = dict(row.cells())
    named = tuple(_named(name, cells[name]) for name in names)
    found = cells[next(iter(names))].value
    factor = found / expected if expected else 0.0
    if any(abs(factor / unit - 1) <= AGREE for unit in (1000.0, 0.001)):
        explanation = "unit"
    return Finding(
        identity=identity,
        case=row.name,
        cells=named,
        found=found,
        expected=expected,
        size=size,
        explanation=explanation,
    )


def _named(name: str, cell: Cell) -> tuple[str, str, str]:
    return name, f"{cell.value:.10g}", cell.where


# --- relations between rows --------------------------------------------------------------------------------------

_Alike = tuple[int | str | None, ...]
"""What rows have in common that differ in one thing only."""


def _by_input(row: Row) -> tuple[_Alike, int]:
    return (row.output.tokens, row.load, row.loop), row.input.tokens


def _by_concurrency(row: Row) -> tuple[_Alike, int]:
    return (row.input.tokens, row.output.tokens, row.shape.label if row.shape else None, row.loop), row.concurrency


def _trend(
    rows: Sequence[Row], identity: str, metric: str, place: Callable[[Row], tuple[_Alike, int]]
) -> Iterator[_Held]:
    """Rows that differ in one thing only: along it the metric does not fall."""
    groups: dict[_Alike, list[tuple[int, Row, Cell]]] = {}
    for row in rows:
        if (cell := dict(row.cells()).get(metric)) is not None:
            group, at = place(row)
            groups.setdefault(group, []).append((at, row, cell))
    for members in groups.values():
        members.sort(key=lambda member: member[0])
        _, top, highest = members[0]
        for _, row, cell in members[1:]:
            size = (cell.value - highest.value) / highest.value
            found = None
            if cell.high < highest.low * (1 - TREND):
                found = Finding(
                    identity=identity,
                    case=row.name,
                    cells=(_named(metric, cell), (metric, f"{highest.value:.10g} ({top.name})", highest.where)),
                    found=cell.value,
                    expected=highest.value,
                    size=size,
                    explanation="trend",
                )
            yield _Held(min(size, 0.0), found)
            if cell.value > highest.value:
                top, highest = row, cell
