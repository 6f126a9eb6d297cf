"""A run directory written by hand, and the report of it: what most tests of reports begin with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from kit import inventory, profile, stats
from kit import plan as plans
from kit.model import (
    NativeSummary,
    Phase,
    Plan,
    RoundPlan,
    RoundResult,
    RunStatus,
    Sample,
    ServerStart,
    ServerTimes,
)
from kit.model.report import Report
from kit.report import building as report
from kit.store import RunDir, write_once
from tests.fakes import BEGIN, FakeHost, FakeRuntime

RECORDED = Path(__file__).parent / "recorded"
PROFILE = """\
schema: 1
name: tiny
report:
  project: 基于 2 卡测试 DeepSeek R1
  model: DeepSeek R1（671B）
  model_label: DeepSeek-R1-0528-w8a8
server:
  engine: sglang
  version: 0.5.3
  image: sglang
  port: 8001
  env: {HCCL_OP_EXPANSION_MODE: AIV}
  args:
    - [--model-path, /models/DeepSeek R1]
    - [--port, "{port}"]
load:
  rounds: 2
  transport: evalscope
  tokenizer: /models/DeepSeek R1
  cases:
    - {input: 128, output: 512, concurrency: [1, 2]}
    - {input: 2k, output: 512, concurrency: 1}
"""

Change = Callable[[RoundPlan, int], dict[str, object]]


def sample(entry: RoundPlan, index: int, **changed: object) -> Sample:
    """One request of a round that went as asked; later rounds are a little slower."""
    values: dict[str, object] = {
        "index": index,
        "succeeded": True,
        "sent_s": 0.0,
        "latency_s": 28.94 + entry.round + index,
        "ttft_s": 2.38,
        "input_tokens": entry.case.input.tokens,
        "output_tokens": entry.case.output.tokens,
        "tokens_from": "usage",
        "finish_reason": "length",
    }
    return Sample.model_validate({**values, **changed})


class Written:
    """A run directory as a run leaves it."""

    def __init__(
        self,
        folder: Path,
        *settings: str,
        missing: Sequence[str] = (),
        change: Change | None = None,
        machine: str = "kunpeng-7270z",
        state: Literal["complete", "incomplete", "interrupted"] = "complete",
        reason: str | None = None,
        text: str = PROFILE,
        pin: plans.Pin | None = None,
        server: Callable[[RoundPlan, list[Sample]], ServerTimes] | None = None,
    ) -> None:
        self._server = server
        runtime = FakeRuntime()
        loaded = profile.parse(text, "p.yaml", settings)
        self.plan: Plan = plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime="process",
            pin=pin or runtime.pin,
            models=Path("/cache/models"),
            version=runtime.version,
        )
        self.run = RunDir(folder / "20261123-210507-tiny")
        collected = inventory.collect(FakeHost(RECORDED / machine)).inventory
        # Python's own version is read from the running one.
        system = collected.system.model_copy(
            update={"python": collected.system.python.model_copy(update={"value": "3.11.7"})}
        )
        path = self.run.path
        write_once(path / "inventory.json", collected.model_copy(update={"system": system}).to_json())
        write_once(path / "profile.yaml", profile.resolved(loaded.profile))
        write_once(path / "plan.json", self.plan.to_json())
        done = [entry for entry in self.plan.rounds if entry.id not in missing]
        for entry in done:
            self._round(runtime, entry, change)
        if self.plan.server is not None:
            command = runtime.command(self.plan.server.program, None)
            write_once(path / "server" / "argv.txt", f"{command}\n".encode())
            phases = (Phase(name="ready", at_s=60.0, line="ready"),)
            start = ServerStart(started=BEGIN, ready_s=61.25, phases=phases)
            write_once(path / "server" / "phases.json", start.to_json())
        self.run.write_status(
            RunStatus(
                run=self.run.name,
                status=state,
                kit_version="0.1.0",
                profile="tiny",
                started=BEGIN,
                ended=BEGIN,
                duration_s=3725.0,
                rounds_planned=len(self.plan.rounds),
                rounds_done=len(done),
                reason=reason,
            )
        )

    def _round(self, runtime: FakeRuntime, entry: RoundPlan, change: Change | None) -> None:
        changes = [change(entry, index) if change is not None else {} for index in range(entry.case.requests)]
        samples = [sample(entry, index, **changed) for index, changed in enumerate(changes)]
        found = stats.figures(entry.case, samples)
        native = NativeSummary()
        result = RoundResult(
            case=entry.case,
            round=entry.round,
            started=BEGIN,
            duration_s=40.0,
            command=runtime.command(entry.program, self.plan.target.api_key),
            figures=found,
            native=native,
            doubts=tuple(stats.doubts(entry.case, samples, found, native)),
            server=self._server(entry, samples) if self._server is not None else None,
        )
        self.run.write_round(entry, result, samples)

    def report(self, language: Literal["zh-CN", "en"] | None = None) -> Report:
        return report.build(report.read(self.run), language)


def failing(entry: RoundPlan, index: int) -> dict[str, object]:
    """In the second round with two clients the second request fails, and one answer comes short."""
    if entry.case.concurrency == 2 and entry.round == 2 and index == 1:
        return {"succeeded": False, "error": "HTTP 500: <b>no|room</b>", "finish_reason": None, "output_tokens": None}
    if entry.case.input.label == "2k" and entry.round == 1:
        return {"output_tokens": 500, "finish_reason": "stop"}
    return {}
