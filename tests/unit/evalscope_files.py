"""What evalscope leaves behind, made without it: the files of one round in the layouts of 1.0.1 and 1.14.1."""

import base64
import json
import pickle
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kit.model import Case, Length, Order, Target

STARTED = 5000.0
"""The reading of the monotonic clock when the first request was sent."""


@dataclass(frozen=True)
class Request:
    """One request: when it was sent, when each piece of text came, and how the stream ended; seconds from the round's begin."""

    sent: float = 0.0
    role_at: float | None = 0.1
    text_at: tuple[float, ...] = (0.2, 0.3, 0.4)
    ended: float = 0.5
    finish: str | None = "length"
    field: str = "content"
    usage: tuple[int, int] | None = (10, 3)
    """Tokens in and out as the server counts them; without, evalscope counts by itself."""
    counted: tuple[int, int] = (8, 2)
    failure: tuple[str, str] | None = None
    """Status and words of a failure, as evalscope's log tells them."""
    logged: bool = True


def chunks(request: Request) -> list[tuple[float, dict[str, object]]]:
    """The stream as the client saw it: each chunk with its time."""

    def chunk(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
        return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    found: list[tuple[float, dict[str, object]]] = []
    if request.role_at is not None:
        found.append((request.role_at, chunk({"role": "assistant", "content": ""})))
    found += [(at, chunk({request.field: f"w{number} "})) for number, at in enumerate(request.text_at)]
    if request.finish is not None:
        found.append((request.ended, chunk({}, request.finish)))
    if request.usage is not None and request.failure is None:
        given, made = request.usage
        found.append((request.ended, {"choices": [], "usage": {"prompt_tokens": given, "completion_tokens": made}}))
    return found


def order(version: str, requests: int, *, concurrency: int = 2, given: object = 10, made: object = 3) -> Order:
    """An order whose answers the default `Request` fulfils."""
    case = Case(
        input=Length.model_validate(given),
        output=Length.model_validate(made),
        concurrency=concurrency,
        requests=requests,
    )
    target = Target(url="http://127.0.0.1:8001", model="m")
    return Order(version=version, case=case, seed=42, target=target, tokenizer="/models/m", read_timeout_s=60)


def pickled(value: object) -> str:
    """As evalscope stores it."""
    return base64.b64encode(pickle.dumps(value)).decode()


def write(version: str, raw: Path, log: Path, requests: Sequence[Request], clock: float = STARTED) -> None:
    """The files of a finished round; rows in the order in which the requests ended."""
    ended = sorted(requests, key=lambda request: request.ended)
    lines = ["2026-11-23 21:05:08 - evalscope - INFO: Starting benchmark"]
    if version == "1.0.1":
        folder = raw / "20261123_210508" / "result"
        rows = [_row_101(request, clock) for request in ended]
        lines += [
            f"2026-11-23 21:05:09 - evalscope - ERROR: Request: {_payload(request)} failed, "
            f"state_code: {request.failure[0]}, data: {request.failure[1]}"
            for request in ended
            if request.failure is not None and request.logged
        ]
    else:
        folder = raw / "result" / f"parallel_2_number_{len(requests)}"
        rows = [_row_1141(request, clock) for request in ended]
        notes = [
            {
                "start_time": clock + request.sent,
                "status": int(status) if (status := (request.failure or ("200", ""))[0]).isdigit() else None,
                "error": request.failure[1] if request.failure is not None else None,
                "usage": request.usage is not None and request.failure is None,
            }
            for request in ended
            if request.logged
        ]
        raw.mkdir(parents=True, exist_ok=True)
        (raw / "requests.jsonl").write_text("".join(json.dumps(note) + "\n" for note in notes), "utf-8")
    folder.mkdir(parents=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    table(folder / "benchmark_data.db", rows)
    (folder / "benchmark_summary.json").write_text(json.dumps(summary(version, requests), indent=4), "utf-8")


def table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """A database with one table `result` of these rows."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        if rows:
            names = list(rows[0])
            connection.execute(f"CREATE TABLE result ({', '.join(names)})")
            marks = ", ".join("?" * len(names))
            connection.executemany(f"INSERT INTO result VALUES ({marks})", [tuple(row.values()) for row in rows])
        else:
            connection.execute("CREATE TABLE result (start_time)")


def summary(version: str, requests: Sequence[Request]) -> dict[str, object]:
    """evalscope's own figures: four decimals, -1 where nothing succeeded."""
    good = [request for request in requests if request.failure is None]

    def mean(values: Sequence[float], factor: float = 1.0) -> float:
        return round(sum(values) / len(values) * factor, 4) if values else -1

    latency = [request.ended - request.sent for request in good]
    first = [request.text_at[0] - request.sent for request in good if request.text_at]
    tokens = [(request.usage or request.counted)[1] for request in good]
    tpot = [
        (request.ended - request.text_at[0]) / (made - 1)
        for request, made in zip(good, tokens, strict=True)
        if request.text_at and made > 1
    ]
    took = max(request.ended for request in requests) - min(request.sent for request in requests) if requests else 0.0
    throughput = round(sum(tokens) / took, 4) if good else -1
    if version == "1.0.1":
        return {
            "Time taken for tests (s)": round(took, 4),
            "Number of concurrency": 2,
            "Total requests": len(requests),
            "Succeed requests": len(good),
            "Failed requests": len(requests) - len(good),
            "Output token throughput (tok/s)": throughput,
            "Average latency (s)": mean(latency),
            "Average time to first token (s)": mean(first),
            "Average time per output token (s)": mean(tpot),
        }
    return {
        "Test Duration (s)": round(took, 4),
        "Concurrency": 2,
        "Total Requests": len(requests),
        "Success Requests": len(good),
        "Failed Requests": len(requests) - len(good),
        "Avg Latency (s)": mean(latency),
        "Output Throughput (tok/s)": throughput,
        "Avg TTFT (ms)": mean(first, 1000),
        "Avg TPOT (ms)": mean(tpot, 1000),
    }


def _payload(request: Request) -> dict[str, object]:
    messages = [{"role": "user", "content": f"prompt of {request.sent}"}]
    return {"messages": messages, "model": "m", "stream": True, "ignore_eos": True}


def _row_101(request: Request, clock: float) -> dict[str, object]:
    seen = chunks(request)
    given, made = request.usage or request.counted
    good = request.failure is None
    latency = request.ended - request.sent
    first = seen[0][0] - request.sent if seen else latency
    return {
        "request": pickled(_payload(request)),
        "start_time": clock + request.sent,
        "chunk_times": json.dumps([clock + at for at, _ in seen]),
        "success": int(good),
        "response_messages": pickled([chunk for _, chunk in seen]),
        "completed_time": clock + request.ended,
        "latency": latency if good else None,
        "first_chunk_latency": first if good else None,
        "prompt_tokens": given if good else None,
        "completion_tokens": made if good else None,
        "max_gpu_memory_cost": 0.0 if good else None,
        "time_per_output_token": (latency - first) / (made - 1) if good and made > 1 else None,
    }


def _row_1141(request: Request, clock: float) -> dict[str, object]:
    seen = [chunk for _, chunk in chunks(request) if chunk["choices"]]
    given, made = request.usage or request.counted
    good = request.failure is None
    first = request.text_at[0] - request.sent if request.text_at else 0.0
    gaps = [later - earlier for earlier, later in zip(request.text_at, request.text_at[1:], strict=False)]
    return {
        "request": json.dumps(_payload(request)),
        "start_time": clock + request.sent,
        "inter_token_latencies": json.dumps(gaps),
        "success": int(good),
        "response_messages": pickled(seen),
        "completed_time": clock + request.ended,
        "latency": request.ended - request.sent if good else None,
        "first_chunk_latency": first if good else None,
        "prompt_tokens": given if good else None,
        "completion_tokens": made if good else None,
        "max_gpu_memory_cost": 0.0 if good else None,
        "time_per_output_token": None,
        "request_id": None,
        "is_stream": 1,
    }
