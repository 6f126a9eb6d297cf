"""Tables of results and old reports as one side of a comparison, and which of all a reference means."""

import re
from collections.abc import Sequence
from pathlib import Path

from kit import bounded, store
from kit.comparing import runs
from kit.comparing.sides import KEYS, REHEARSAL, Measured, Side, arguments, lengths, success, weights
from kit.engines import ENGINES
from kit.errors import UsageError
from kit.legacy import lines, marks, software, tables
from kit.legacy import report as reports
from kit.legacy.blocks import MOST_BYTES
from kit.loadgens import GENERATORS
from kit.model.rates import CaseKey
from kit.model.table import METRICS, Row

TABLES = (".csv", ".xlsx")
REPORTS = (".md", ".markdown", ".docx")
_CARD = re.compile(r"(?i)ascend|昇腾|nvidia|metax|沐曦|天数|hygon|海光|amd i")
_FAILED, _NO_RESULT = ("failed", "partly failed"), "no result"
_INCOMPLETE = "incomplete"
_COUNTED = re.compile(r"[*x×]\s*(?P<count>[0-9]{1,3})\s*$")


def read(reference: str, below: Path) -> Side:
    """A side by its file, or a run by its path or name. Raises `UsageError` where it holds no results."""
    path = Path(reference)
    kind = path.suffix.lower()
    if path.is_file() and kind in (*TABLES, *REPORTS):
        try:
            content = bounded.read(path, MOST_BYTES)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error
        return of_table(content, path.name) if kind in TABLES else of_report(content, path.name)
    if path.is_file():
        msg = f"{reference} is neither a run nor a table nor a report"
        raise UsageError(msg, hint=f"give a run, or a file that ends in {', '.join((*TABLES, *REPORTS))}")
    return runs.of_run(store.find(reference, below))


def of_table(content: bytes, name: str) -> Side:
    """A table: it tells figures, and of how they came about only what kit's own tables say where not all went well."""
    found = tables.read(content, name)
    if found.problems or not found.rows:
        raise UsageError(f"{name} is no table that can be compared", problems=found.problems)
    cases = _rows(found.rows, name)
    keys: dict[str, str | None] = dict.fromkeys(KEYS)
    rounds = max(case.rounds for case in cases)
    keys |= {"lengths": lengths(cases), **_told(found.rows, cases)}
    return Side(name, "table", keys, {case.key: case for case in cases}, rounds=rounds)


def of_report(content: bytes, name: str) -> Side:
    """An old report: its figures, and what its texts tell."""
    found = reports.read(content, name)
    if not found.rows:
        raise UsageError(f"{name} has no table of results", problems=found.unread)
    cases = _rows(found.rows, name)
    server = lines.server(found.start_command) if found.start_command else lines.ServerLine()
    load = lines.load(found.load_command)
    told = {**dict(reports.scripts_defaults(found.script)), **{k: v[0] for k, v in load.options.items() if len(v) == 1}}
    generator = software.find(found.software, {name: entry.TITLE for name, entry in GENERATORS.items()})
    engine = software.find(found.software, {name: entry.TITLE for name, entry in ENGINES.items()})
    titled = " ".join(part for part in (ENGINES[engine[0]].TITLE, engine[1].version) if part) if engine else ""
    command = ENGINES[server.engine].COMMAND if server.engine else ()
    keys: dict[str, str | None] = dict.fromkeys(KEYS)
    keys |= {
        "model": found.model_label,
        "weights": weights(server.engine, (*command, *(word for group in server.args for word in group))),
        "lengths": lengths(cases),
        "generator": GENERATORS[generator[0]].TITLE if generator else None,
        "generator_version": generator[1].version if generator else None,
        # Only kit's own transport is told: a report without a word of it may come from a time before there was one.
        "transport": "precise" if generator and generator[1].precise else None,
        "dataset": told.get("dataset"),
        "seed": told.get("seed"),
        **_told(found.rows, cases),
    }
    if marks.is_rehearsal(found.draft):
        keys["rehearsal"] = REHEARSAL
    if marks.is_incomplete(found.draft):
        keys["complete"] = _INCOMPLETE
    cards = [value for _, value in found.hardware if _CARD.search(value)]
    counted = _COUNTED.search(cards[0]) if cards else None
    return Side(
        name=name,
        kind="report",
        keys=keys,
        cases={case.key: case for case in cases},
        hardware=found.environment_label or "—",
        engine=titled or "—",
        accelerators=int(counted["count"]) if counted and int(counted["count"]) else None,
        accelerator=cards[0] if cards else None,
        software=(("engine", titled),) if titled else (),
        arguments=(*arguments(server.args), *server.env),
    )


def _told(rows: Sequence[Row], cases: Sequence[Measured]) -> dict[str, str]:
    """What rows say of failed requests, missing rounds and stand-ins; nothing of what they do not tell."""
    told: dict[str, str] = {}
    if any(marks.is_rehearsal(row.draft) for row in rows):
        told["rehearsal"] = REHEARSAL
    if (counted := success(cases)) is not None:
        told["success"] = counted
    elif any(row.status in _FAILED for row in rows):
        told["success"] = "not all requests"
    if {row.status for row in rows} <= {*_FAILED, _NO_RESULT, "ok"}:
        done = sum(row.status != _NO_RESULT for row in rows)
        told["complete"] = "complete" if done == len(rows) else f"{done} of {len(rows)} rounds"
    if told.get("complete", "complete") == "complete" and any(marks.is_incomplete(row.draft) for row in rows):
        told["complete"] = _INCOMPLETE
    return told


def _rows(rows: Sequence[Row], name: str) -> list[Measured]:
    """The cases of a table; its lines of one case are rounds."""
    by_case: dict[CaseKey, list[Row]] = {}
    for row in rows:
        by_case.setdefault(row.key, []).append(row)
    doubled = [found[0].name for found in by_case.values() if len({row.loop for row in found}) < len(found)]
    if doubled:
        raise UsageError(f"{name} has several lines for the same case and round: {', '.join(doubled)}")
    return [_case(found) for found in by_case.values()]


def _case(rows: Sequence[Row]) -> Measured:
    cells = [dict(row.cells()) for row in rows]
    values: dict[str, tuple[float | None, ...]] = {
        metric: tuple(found[metric].value if metric in found else None for found in cells) for metric in METRICS
    }
    first = rows[0]
    counted = [(row.sent, row.failed) for row in rows if row.sent is not None and row.failed is not None]
    values["prefill_speed"] = tuple(first.input.tokens / ttft if ttft else None for ttft in values["ttft"])
    return Measured(
        input=first.input,
        output=first.output,
        concurrency=first.concurrency,
        rate=first.rate,
        shape=first.shape,
        rounds=len(rows),
        values=values,
        requests=first.requests,
        sent=sum(sent for sent, _ in counted) if counted else None,
        succeeded=sum(sent - failed for sent, failed in counted) if counted else None,
        steps={metric: cells[0][metric].step for metric in METRICS if metric in cells[0]},
    )
