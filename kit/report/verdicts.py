"""A verdict in words: the lines of the conclusion, and the table of criteria."""

import math
from collections.abc import Iterator

from kit.model.acceptance import PERCENTILES, RATES, SUCCESS_RATE
from kit.model.profile import Language
from kit.model.verdict import Audit, Finding, Judged, Verdict
from kit.texts import CATALOGUE, doubt, say

_MOST_LINES = 12


def lines(found: Verdict, language: Language) -> tuple[str, ...]:
    """The conclusion: what follows from the criteria, what stands against it, and the waivers."""
    return tuple(_lines(found, language))


def _lines(found: Verdict, language: Language) -> Iterator[str]:
    total = len(found.judged)
    if found.outcome == "none":
        yield say(language, "no-criteria")
        return
    if found.outcome == "met":
        yield say(language, "verdict-met")
        yield say(language, "verdict-met-count", count=total)
    elif found.outcome == "waived":
        yield say(language, "verdict-waived", waived=found.count("waived"), met=found.count("met"))
    if missed := [entry for entry in found.judged if entry.outcome == "not-met"]:
        yield say(language, "verdict-not-met", total=total, count=len(missed))
        for entry in missed[:_MOST_LINES]:
            yield say(
                language,
                "verdict-miss",
                case=entry.case,
                metric=metric(entry.metric, language),
                value=value(entry),
                limit=limit(entry),
                excess=_share(entry.excess),
            )
        if len(missed) > _MOST_LINES:
            yield say(language, "verdict-more", count=len(missed) - _MOST_LINES)
    if open_ := [entry for entry in found.judged if entry.outcome == "uncertain"]:
        yield say(language, "verdict-uncertain", total=total, count=len(open_))
        for entry in open_[:_MOST_LINES]:
            reason = doubt(language, entry.reason) if entry.reason is not None else ""
            name = metric(entry.metric, language)
            yield say(language, "verdict-open", case=entry.case, metric=name, limit=limit(entry), reason=reason)
        if len(open_) > _MOST_LINES:
            yield say(language, "verdict-more", count=len(open_) - _MOST_LINES)
    elif found.outcome == "uncertain":
        yield say(language, "verdict-incomplete")
    for waiver in found.waivers:
        yield say(
            language,
            f"waiver-{waiver.state}",
            metric=metric(waiver.metric, language),
            reason=waiver.reason,
            name=waiver.name,
            expires=waiver.expires,
        )


def audited(found: Audit, language: Language) -> tuple[str, ...]:
    """An audit in words: every relation with what came of it, every finding with its cells, and what was not read."""
    return tuple(_audited(found, language))


def _audited(found: Audit, language: Language) -> Iterator[str]:
    yield say(language, "audit-head", source=found.source, rows=found.rows)
    for check in found.checks:
        worst = f"{check.worst * 100:.3g}%" if check.worst is not None else "—"
        key = "audit-none" if check.rows == 0 else "audit-broken" if check.broken else "audit-holds"
        identity = say(language, f"audit-{check.identity}")
        yield "  " + say(language, key, identity=identity, rows=check.rows, broken=check.broken, worst=worst)
    for entry in found.findings:
        yield finding(entry, language)
    for skipped in found.skipped:
        yield say(language, "audit-skipped", what=skipped)


def finding(entry: Finding, language: Language) -> str:
    """One finding: case, relation, its cells with their places, the value expected, the size, the likely explanation."""
    cells = ", ".join(f"{_cell_name(name, language)} {value} [{where}]" for name, value, where in entry.cells)
    size = f" ({entry.size * 100:+.3g}%)" if entry.size is not None else ""
    return say(
        language,
        "audit-finding",
        case=entry.case,
        identity=say(language, f"audit-{entry.identity}"),
        cells=cells,
        expected=f"{entry.expected:.4g}",
        size=size,
        explanation=say(language, f"explain-{entry.explanation}"),
    )


def _cell_name(name: str, language: Language) -> str:
    return metric(name, language) if f"metric-{name}" in CATALOGUE else name


def columns(language: Language) -> tuple[str, ...]:
    """The titles of the table of criteria."""
    return tuple(
        say(language, f"col-{key}") for key in ("case", "metric", "limit", "baseline", "value", "outcome", "reason")
    )


def rows(found: Verdict, language: Language) -> tuple[tuple[str, ...], ...]:
    """The table of criteria: one row for each criterion and case."""
    return tuple(
        (
            entry.case,
            metric(entry.metric, language),
            limit(entry),
            plain(entry.metric, entry.baseline) if entry.baseline is not None else "—",
            value(entry),
            say(language, f"outcome-{entry.outcome}"),
            _remark(found, entry, language),
        )
        for entry in found.judged
    )


def _remark(found: Verdict, entry: Judged, language: Language) -> str:
    parts = []
    if entry.excess is not None:
        parts.append(say(language, "reason-excess", excess=_share(entry.excess)))
    if entry.reason is not None:
        parts.append(doubt(language, entry.reason))
    if entry.waiver is not None:
        by = found.waivers[entry.waiver]
        parts.append(say(language, "reason-waiver", reason=by.reason, name=by.name, expires=by.expires))
    return say(language, "and").join(parts) or "—"


def metric(name: str, language: Language) -> str:
    """A metric's name, a percentile with its own: `TTFT p99`."""
    if name in PERCENTILES:
        base, _, point = name.rpartition("_")
        return f"{say(language, f'metric-{base}')} {point}"
    return say(language, f"metric-{name}")


def limit(entry: Judged) -> str:
    """`≤ 3 s`, and where it comes from a baseline, the change allowed: `≤ 2.618 s (+10%)`."""
    sign = "≤" if entry.relation == "<=" else "≥"
    bound = f"{sign} {plain(entry.metric, entry.limit)}"
    return bound if entry.change is None else f"{bound} ({entry.change * 100:+.4g}%)"


def value(entry: Judged) -> str:
    """What was measured, with half of its interval where there is one."""
    if entry.value is None:
        return "—"
    if entry.half_width is None:
        return plain(entry.metric, entry.value)
    number, _, unit = plain(entry.metric, entry.value).partition(" ")
    # With the decimals of the mean, and never narrower than it is.
    places = max(2, len(number.partition(".")[2])) if "e" not in number else 9
    width = math.ceil(entry.half_width * 10**places - 1e-9) / 10**places
    return f"{number} ± {width:.{places}f}".rstrip("0").rstrip(".") + f" {unit}"


def plain(name: str, number: float | None) -> str:
    """A figure with its unit."""
    if number is None:
        return "—"
    if name == SUCCESS_RATE:
        # Cut, not rounded: 99.996 % is not 100 %.
        return f"{int(number * 1_000_000 + 1e-6) / 10_000:g}%"
    return f"{number:.5g} {'tok/s' if name in RATES else 's'}"


def _share(excess: float | None) -> str:
    if excess is None:
        return "—"
    return f"{excess * 100:.1f}%" if excess >= 0.001 else f"{excess * 100:.2g}%"
