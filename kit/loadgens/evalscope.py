"""evalscope's `perf` command: versions 1.0.1 and 1.14.1.

Figures never come from its summary but from the per-request rows of its SQLite file: the summary's keys, units and rules
change between versions, and it prints 0.0 for what it never measured.
"""

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kit import bounded
from kit.instrument import foreign
from kit.instrument.outcomes import unfinished
from kit.loadgens import exchanges
from kit.loadgens.chunks import Answer, answer, messages, unpickled
from kit.loadgens.evalscope_command import argv, cannot
from kit.loadgens.reading import Reading, ReadingError, short
from kit.model import Doubt, NativeSummary, Order, Sample

TITLE = "evalscope"
IMAGE = "evalscope"
KEY_VARIABLE = "KIT_API_KEY"
__all__ = ["IMAGE", "KEY_VARIABLE", "TITLE", "argv", "blame", "cannot", "doubts", "env", "read", "refuse"]

_KNOWN = ("1.0.1", "1.14.1")
_BAD = dict.fromkeys(("1.1.1", "1.2.0", "1.3.0"), "its throughput at concurrency 1 is wrong (corrected after 1.3.0)")
_OFFLINE = (("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1"))
_GAVE_UP = re.compile(r"Exception in async function '(?P<where>\w+)': (?P<said>.*)")
_FULL = re.compile(r"database or disk is full|No space left on device")
_EXCEPTION = re.compile(r"(?:[A-Za-z_]+\.)*[A-Za-z_]*(?:Error|Exception)(?:: .*)?|.*\berror: .*")
_FAILED = re.compile(r"Request: (?P<request>\{.*\}) failed, state_code: (?P<status>\w+), data: (?P<said>.*)$")
_MODULE = re.compile(r"^(?:[a-z_]+\.)+(?=[A-Z])")


_LONGEST_ROW, _MOST_STEPS = 2**27, 1000
"""Bytes of a row, and steps that SQLite may take for each: it takes less than a hundred."""
_LARGEST_NOTES, _LARGEST_LOG = 2**28, 2**27
"""Bytes of the notes, a line for each request, and of a log: kit keeps half of that."""
# Every figure of the summary has four decimals; from 1.7.0 on TTFT and TPOT are milliseconds.
_STEPS_S = {"1.0.1": 1e-4, "1.14.1": 1e-7}
# Keys of benchmark_summary.json with the factor that makes seconds of them.
_KEYS: dict[str, dict[str, tuple[str, float]]] = {
    "1.0.1": {
        "latency_s": ("Average latency (s)", 1.0),
        "ttft_s": ("Average time to first token (s)", 1.0),
        "tpot_s": ("Average time per output token (s)", 1.0),
        "output_throughput": ("Output token throughput (tok/s)", 1.0),
        "requests": ("Total requests", 1.0),
        "succeeded": ("Succeed requests", 1.0),
    },
    "1.14.1": {
        "latency_s": ("Avg Latency (s)", 1.0),
        "ttft_s": ("Avg TTFT (ms)", 0.001),
        "tpot_s": ("Avg TPOT (ms)", 0.001),
        "output_throughput": ("Output Throughput (tok/s)", 1.0),
        "requests": ("Total Requests", 1.0),
        "succeeded": ("Success Requests", 1.0),
    },
}


@dataclass(frozen=True, slots=True)
class _Note:
    """How a request ended, beyond its row: why it failed, and whether the server sent its own token counts."""

    reason: str | None
    usage: bool


def refuse(version: str) -> str | None:
    if version in _KNOWN:
        return None
    if version in _BAD:
        return f"{_BAD[version]}; use one of {', '.join(_KNOWN)}"
    return f"kit does not know how this version writes its results; it knows {', '.join(_KNOWN)}"


def doubts(version: str) -> Iterable[Doubt]:
    del version
    return ()


def env(order: Order) -> tuple[tuple[str, str], ...]:
    del order
    return _OFFLINE


def blame(lines: Sequence[str]) -> str | None:
    for line in lines:
        if _FULL.search(line):
            return "no space is left on the disk"
        if found := _GAVE_UP.search(line):
            # Where it adds up the answers, it fails at the first that is no streamed completion, and keeps nothing.
            answered = found["where"] == "statistic_benchmark_metric"
            return f"it cannot read an answer of the server ({found['said']})" if answered else found["said"]
    return next((line for line in reversed(lines) if _EXCEPTION.fullmatch(line)), None)


def read(raw: Path, log: Path, order: Order) -> Reading:
    if order.transport == "precise":
        return _precise(raw, order)
    database = _only(raw, "benchmark_data.db")
    native = _native(_only(raw, "benchmark_summary.json"), order.version)
    try:
        rows = _rows(database, order.case.requests)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise ReadingError(f"{database.name} is damaged: {error}") from error
    try:
        origin = min((float(row["start_time"]) for row in rows), default=0.0)
        notes = _notes(raw / "requests.jsonl") if order.version != "1.0.1" else _logged(rows, log)
        samples = tuple(_sample(index, row, origin, notes) for index, row in enumerate(rows))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ReadingError(f"{database.name} does not hold what evalscope {order.version} writes: {error}") from error
    if len(samples) != order.case.requests:
        held = f"{len(samples)} of" if len(samples) < order.case.requests else "more than"
        msg = f"{database.name} holds {held} {order.case.requests} requests"
        raise ReadingError(msg)
    # It stamps with `time.perf_counter()`, which on Linux is the machine's monotonic clock, in containers too.
    own = (Doubt(kind="rate-from-sending"),) if order.case.rate is not None else ()
    return Reading(samples, native, origin if rows else None, own)


def _rows(database: Path, requests: int) -> list[sqlite3.Row]:
    """The rows of so many requests, and one more where there are more. Raises `sqlite3.DatabaseError` where that is no plain table."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ROW)
        connection.set_progress_handler(lambda: True, _MOST_STEPS * (requests + 1000))
        # A view and a column that is computed may run without end.
        made = connection.execute("SELECT sql FROM sqlite_master WHERE lower(name) = 'result'").fetchall()
        computed = connection.execute("SELECT 1 FROM pragma_table_xinfo('result') WHERE hidden").fetchall()
        if computed or not all(str(sql).upper().startswith("CREATE TABLE") for (sql,) in made):
            raise sqlite3.DatabaseError("its results are no plain table")
        return connection.execute("SELECT * FROM result ORDER BY start_time LIMIT ?", (requests + 1,)).fetchall()


def _precise(raw: Path, order: Order) -> Reading:
    """What kit's transport kept; of evalscope's own summary only what it can know of requests that it did not time."""
    samples, began_s = exchanges.read(raw, order.case.requests)
    if len(samples) != order.case.requests:
        raise ReadingError(f"the transport kept {len(samples)} of {order.case.requests} requests")
    native = _native(_only(raw, "benchmark_summary.json"), order.version)
    counted = all(sample.tokens_from == "usage" for sample in samples if sample.succeeded)
    # It counts from when a request was sent, which at a rate is not what its clock starts with.
    since_sent = ("latency_s", "ttft_s") if order.case.rate is None else ()
    told = (
        ("requests", "succeeded")
        if order.version == "1.0.1"
        else (("requests", "succeeded", *since_sent, *(("tpot_s", "output_throughput") if counted else ())))
    )
    values = {name: getattr(native, name) for name in told}
    return Reading(
        samples,
        NativeSummary.model_validate({**values, "step_s": native.step_s}),
        began_s,
        tuple(exchanges.doubts(raw, samples, began_s, rated=order.case.rate is not None)),
    )


def _only(raw: Path, name: str) -> Path:
    found = sorted(raw.glob(f"**/{name}"))
    if len(found) != 1:
        raise ReadingError(f"evalscope left {len(found)} files {name} instead of one")
    # SQLite would wait for who writes into a pipe.
    if not found[0].is_file():
        raise ReadingError(f"{name} cannot be read: it is no plain file")
    return found[0]


def _native(path: Path, version: str) -> NativeSummary:
    try:
        data = foreign.loads(bounded.read(path, bounded.TEXT_BYTES).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise ReadingError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise ReadingError(f"{path.name} is not a summary")
    values: dict[str, float] = {}
    for name, (key, factor) in _KEYS[version].items():
        value = data.get(key)
        # -1 and 0.0 are what it writes when nothing was measured.
        if isinstance(value, int | float) and not isinstance(value, bool) and (value > 0 or name == "succeeded"):
            values[name] = value * factor
    try:
        return NativeSummary.model_validate({**values, "step_s": _STEPS_S[version]})
    except ValueError as error:
        raise ReadingError(f"{path.name} does not hold what evalscope {version} writes: {error}") from error


def _notes(path: Path) -> dict[float, _Note]:
    """What `evalscope-noted` wrote, by the time at which the request was sent."""
    try:
        text = bounded.read(path, _LARGEST_NOTES).decode("utf-8")
        lines = [foreign.loads(line) for line in text.splitlines()]
    except OSError as error:
        raise ReadingError(f"{path.name} cannot be read: {error.strerror}") from error
    found: dict[float, _Note] = {}
    for line in lines:
        if not isinstance(line, dict):
            raise ValueError(f"{path.name} holds a line that is no note")
        reason = _reason(str(line["status"]), line["error"]) if line["error"] is not None else None
        found[float(line["start_time"])] = _Note(reason, bool(line["usage"]))
    return found


def _logged(rows: Iterable[sqlite3.Row], log: Path) -> dict[float, _Note]:
    """Why requests failed, from the log of 1.0.1: it prints each with its payload, but nothing where an answer was empty."""
    try:
        lines = bounded.read(log, _LARGEST_LOG).decode("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ReadingError(f"{log.name} cannot be read: {error.strerror}") from error
    said: dict[str, list[str]] = {}
    for found in filter(None, map(_FAILED.search, lines)):
        said.setdefault(found["request"], []).append(_reason(found["status"], found["said"]))
    notes: dict[float, _Note] = {}
    for row in sorted((row for row in rows if not row["success"]), key=lambda row: float(row["completed_time"])):
        reasons = said.get(str(unpickled(row["request"])))
        notes[float(row["start_time"])] = _Note(reasons.pop(0) if reasons else "the answer was empty", False)
    return notes


def _reason(status: str, said: str) -> str:
    said = _MODULE.sub("", short(said))
    # A stream that broke began with 200.
    return f"HTTP {status}: {said or '(nothing)'}" if status.isdigit() and status != "200" else said or "no answer"


def _sample(index: int, row: sqlite3.Row, origin: float, notes: Mapping[float, _Note]) -> Sample:
    columns = row.keys()
    sent = float(row["start_time"])
    completed = float(row["completed_time"]) if row["completed_time"] else None
    got = _answer(row, columns)
    note = notes.get(sent)
    error = None
    if not row["success"]:
        error = (note.reason if note is not None else None) or "no answer"
    elif got.error is not None:
        error = got.error
    else:
        error = unfinished(got.text_chunks, got.finish_reason)
    counted = got.input_tokens is not None and got.output_tokens is not None
    from_usage = counted or (note is not None and note.usage)
    return Sample(
        index=index,
        succeeded=error is None,
        error=error,
        sent_s=sent - origin,
        latency_s=completed - sent if completed is not None else None,
        ttft_s=got.first_text_at - sent if got.first_text_at is not None else None,
        last_text_s=got.last_text_at - sent if got.last_text_at is not None else None,
        gaps_s=got.gaps_s,
        texts=got.text_chunks,
        input_tokens=got.input_tokens if counted else row["prompt_tokens"],
        output_tokens=got.output_tokens if counted else row["completion_tokens"],
        tokens_from="usage" if from_usage else "tokenizer" if row["completion_tokens"] is not None else None,
        finish_reason=got.finish_reason,
        cached_tokens=got.said.cached_tokens,
        server_queue_s=got.said.queue_s,
        server_prefill_s=got.said.prefill_s,
        server_decode_s=got.said.decode_s,
    )


def _answer(row: sqlite3.Row, columns: Iterable[str]) -> Answer:
    parts = messages(row["response_messages"])
    if "chunk_times" in columns:
        return answer(parts, _floats(row["chunk_times"]))
    # From 1.7.0 on only the gaps between chunks with text are kept, and the time of the first.
    gaps = _floats(row["inter_token_latencies"])
    first = row["first_chunk_latency"]
    got = answer(parts, [])
    first_at = float(row["start_time"]) + float(first) if first and got.text_chunks else None
    return Answer(
        text_chunks=got.text_chunks,
        first_text_at=first_at,
        # Some that carry no text count there too, as those of tool calls.
        last_text_at=first_at + sum(gaps) if first_at is not None and len(gaps) + 1 == got.text_chunks else None,
        gaps_s=tuple(gaps),
        # Usage that came in a chunk of its own is not kept: it is in the row's columns.
        input_tokens=got.input_tokens,
        output_tokens=got.output_tokens,
        finish_reason=got.finish_reason,
        said=got.said,
        error=got.error,
    )


def _floats(stored: str | None) -> list[float]:
    found = foreign.loads(stored or "[]")
    if not isinstance(found, list):
        raise ValueError("a list of times is none")
    return [float(at) for at in found]
