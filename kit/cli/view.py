"""What a user sees while a run goes on: a live view on a terminal, plain lines elsewhere, or events as JSON."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from kit import streams
from kit.cli import output
from kit.cli.tables import Column, Rows
from kit.cli.terminal import echo, echo_json
from kit.engines import ENGINES
from kit.events import Event, Seen
from kit.formats import duration, figure, many, rate
from kit.loadgens import GENERATORS
from kit.model import Plan, RoundResult
from kit.report import building as reports
from kit.running import finishing
from kit.workflows.running import Finished

_SHOWN_EVENTS = 4
_EVERY_S = 5.0


class View(Protocol):
    """Shows what is observed."""

    def observe(self, seen: Seen) -> None:
        """Called for every event, from any thread."""


@contextmanager
def of(plan: Plan, *, as_json: bool) -> Iterator[View]:
    """The view that fits: JSON lines if asked for, a live view on a terminal, plain lines otherwise.

    All that is told from now on lies in files, too: that it cannot be told stops nothing.
    """
    streams.only_told()
    if as_json:
        yield _Json()
    elif sys.stderr.isatty() and not output.Terminal(stderr=True).is_dumb_terminal:
        live = _Live(plan)
        with Live(
            console=output.Terminal(stderr=True), get_renderable=live.render, refresh_per_second=4, transient=True
        ) as shown:
            live.shown = shown
            yield live
    else:
        yield _Plain()


def summary(finished: Finished, *, as_json: bool) -> None:
    """The figures, the paths of everything written, and how long it took. Raises `InterruptedRunError`."""
    with finishing.whole(finished.run.path, "and so is its report"):
        _summary(finished, as_json=as_json)


def _summary(finished: Finished, *, as_json: bool) -> None:
    run, written = finished.run.path, [path.relative_to(finished.run.path) for path in finished.files]
    if as_json:
        echo_json(json.dumps({"kind": "written", "run": str(run), "files": [str(path) for path in written]}))
        return
    built = reports.build(reports.read(finished.run), "en")
    output.table(built)
    for line in built.conclusion:
        echo(line)
    echo(f"\nwritten to {run}:")
    for path in written:
        if path.parts[0] != "cases" and "raw" not in path.parts:
            echo(f"  {path}")
    echo("  cases/…  (per round: command.txt, stdout.log, samples.jsonl, result.json, raw/)")
    rounds = many(len(finished.report.rounds), "round")
    echo(f"prepared in {duration(finished.prepared_s)}, {rounds} and the report in {duration(finished.ran_s)}")
    echo(f"report: {run / 'report' / 'report.md'}")


class _Json:
    def observe(self, seen: Seen) -> None:
        line = seen.event.model_dump(mode="json", exclude_none=True)
        if seen.result is not None:
            line["result"] = seen.result.model_dump(mode="json")
        echo_json(json.dumps(line, ensure_ascii=False))


class _Plain:
    def __init__(self) -> None:
        self._quiet_until = 0.0

    def observe(self, seen: Seen) -> None:
        event = seen.event
        if event.kind == "environment" and "/" in event.text:
            # One line per package would bury the rest of a log.
            if time.monotonic() < self._quiet_until:
                return
            self._quiet_until = time.monotonic() + _EVERY_S
        rest = f", about {duration(event.rest_s)} left" if event.rest_s else ""
        place = f"[{event.position}/{event.of}] " if event.position else ""
        found = f": {_figures(seen.result)}" if seen.result else ""
        echo(f"{event.at.astimezone():%H:%M:%S} {event.kind:<12} {place}{event.text}{found}{rest}", err=True)


class _Live:
    """Phase, case, progress, time left, and the last figures; redrawn four times a second so that the time moves on."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._began = time.monotonic()
        self._told_at = self._began
        self._now: Event | None = None
        self._events: list[Event] = []
        self._rest_s: float | None = None
        self._done = 0
        self._of = len(plan.rounds)
        self._last: list[RoundResult] = []
        self._lock = threading.Lock()
        self._spinner = Spinner("line")
        self.shown: Live | None = None

    def observe(self, seen: Seen) -> None:
        event = seen.event
        with self._lock:
            if event.kind == "round-start":
                self._now = event
            elif event.kind == "environment" and self._events and self._events[-1].kind == "environment":
                self._events[-1] = event
            elif event.kind not in ("round-end", "estimate"):
                self._events = [*self._events[1 - _SHOWN_EVENTS :], event]
            if event.rest_s is not None:
                self._rest_s, self._told_at = event.rest_s, time.monotonic()
            if event.kind in ("round-end", "round-failed") and event.position is not None:
                self._done, self._of = event.position, event.of or self._of
            if seen.result is not None:
                self._last = [*self._last[-4:], seen.result]
        if self.shown is not None and event.kind in ("round-failed", "warning", "run"):
            style = "red" if event.kind != "run" else ""
            self.shown.console.print(Text(f"{event.at.astimezone():%H:%M:%S} {event.text}", style=style))

    def render(self) -> RenderableType:
        with self._lock:
            return Group(self._head(), self._bar(), self._steps(), self._figures())

    def _head(self) -> RenderableType:
        plan = self._plan
        engine, generator = ENGINES[plan.engine].TITLE, GENERATORS[plan.generator].TITLE
        text = f" {plan.profile}: {engine} {plan.engine_version or ''} · {generator} {plan.generator_version}"
        line = Table.grid()
        line.add_row(self._spinner, Text(text, style="bold"))
        return line

    def _bar(self) -> RenderableType:
        elapsed = time.monotonic() - self._began
        left = ""
        if self._rest_s is not None:
            left = f", about {duration(max(0.0, self._rest_s - (time.monotonic() - self._told_at)))} left"
        line = Table.grid(padding=(0, 1))
        line.add_row(
            Text("  "),
            ProgressBar(total=max(1, self._of), completed=self._done, width=32),
            Text(f"{self._done}/{self._of} rounds, {duration(elapsed)}{left}"),
        )
        return line

    def _steps(self) -> RenderableType:
        lines = [Text(f"  {event.at.astimezone():%H:%M:%S} {event.text}", style="dim") for event in self._events]
        if self._now is not None:
            cases = [case.id for case in self._plan.cases]
            number = cases.index(self._now.case) + 1 if self._now.case in cases else 0
            lines.append(Text(f"  case {number} of {len(cases)}: {self._now.text}", style="bold"))
        return Text("\n").join(lines)

    def _figures(self) -> RenderableType:
        rows = []
        for result in self._last:
            found = result.figures
            row = (
                Text(f"    {result.case.id} #{result.round}"),
                *(Text(part, style="cyan") for part in _parts(result)),
                Text(
                    f"{found.requests - found.succeeded} FAILED" if found.succeeded < found.requests else "",
                    style="red",
                ),
            )
            rows.append(row)
        return Rows([Column()] * len(rows[0]) if rows else [], rows)


def _parts(result: RoundResult) -> tuple[str, ...]:
    found = result.figures
    return (
        f"latency {figure(found.latency_s.mean if found.latency_s else None)} s",
        f"{figure(found.output_throughput)} tok/s",
        f"TTFT {figure(found.ttft_s.mean if found.ttft_s else None)} s",
        f"TPS {rate(found.tps)}",
        f"{len(result.doubts)} notes" if result.doubts else "",
    )


def _figures(result: RoundResult) -> str:
    found = result.figures
    failed = f", {found.requests - found.succeeded} FAILED" if found.succeeded < found.requests else ""
    return ", ".join(filter(None, _parts(result))) + failed
