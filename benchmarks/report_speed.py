"""How long a report takes: 18 cases with 10,000 requests to md, docx, html and xlsx: `python benchmarks/report_speed.py`.

The run is made up, of the shape of a real one: 18 cases, requests with 512 or 3000 tokens and the times between them.
Prints seconds for reading and for each format, and the peak memory of the process. `--keep DIR` keeps the run.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kit import inventory, plan, profile, renderers, stats
from kit.host import LocalHost
from kit.model import (
    CardReading,
    CardTick,
    Environment,
    HostTick,
    NativeSummary,
    RoundResult,
    RunStatus,
    Sample,
    ServerStart,
    Telemetry,
)
from kit.model.plan import Plan, RoundPlan
from kit.report import building as report
from kit.store import RunDir, write_once

PROFILE = """\
schema: 1
name: ascend-910b4x2
report:
  project: 基于 2 卡 昇腾910B4 NPU（64GiB）+ 鲲鹏920B CPU测试 DeepSeek R1 性能
  model: DeepSeek R1（671B），NPU 权重 W8A8
  model_label: DeepSeek-R1-0528-w8a8
  environment: "CPU: 鲲鹏920B 128 核；GPU:2 x 910B4"
server:
  engine: ftransformers
  version: 3.3.1
  image: ftransformers
  port: 8001
  args:
    - [--model-path, /home/model/DeepSeek-R1-W8A8]
    - [--host, "{{host}}"]
    - [--port, "{{port}}"]
    - [--served-model-name, DeepSeek-R1-W8A8]
    - [--attention-backend, ascend]
    - [--chunked-prefill-size, 8192]
load:
  rounds: 3
  requests_per_client: {per_client}
  tokenizer: /home/model/DeepSeek-R1-W8A8
  cases:
    - {{input: 128, output: 512, concurrency: [1, 2, 4, 8, 16]}}
    - {{input: 1024, output: 512, concurrency: [1, 2, 4]}}
    - {{input: 2k, output: 512, concurrency: [1, 2, 4]}}
    - {{input: 4k, output: 512, concurrency: [1, 2, 4]}}
    - {{input: 8k, output: 512, concurrency: [1]}}
    - {{input: 10k, output: 3k, concurrency: [1]}}
    - {{input: 20k, output: 3k, concurrency: [1]}}
    - {{input: 40k, output: 3k, concurrency: [1]}}
"""
CLIENTS = 56  # of all cases together


def make_run(parent: Path, requests: int) -> RunDir:
    """A run directory with about this many requests in all."""
    written = parent / "profile.yaml"
    rounds = 3
    written.write_text(PROFILE.format(per_client=max(1, round(requests / CLIENTS / rounds))), "utf-8")
    loaded = profile.load(str(written), ())
    made = plan.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime="process",
        pin=lambda image, variant: Environment(name=image, variant=variant, kind="lock", digest="sha256:" + "0" * 64),
        models=parent / "models",
        version=lambda _environment, _package: None,
    )
    began = datetime(2025, 12, 29, 2, 0, tzinfo=UTC)
    run = RunDir.create(parent, made.profile, began)
    write_once(run.path / "plan.json", made.to_json())
    write_once(run.path / "inventory.json", inventory.collect(LocalHost()).inventory.to_json())
    write_once(run.path / "server" / "argv.txt", b"python -m ftransformers.launch_server --host 0.0.0.0 --port 8001\n")
    write_once(run.path / "server" / "phases.json", ServerStart(started=began, ready_s=312.4, phases=()).to_json())
    chance = random.Random(7)
    at = began
    for entry in made.rounds:
        _round(run, entry, at, chance)
        at += timedelta(seconds=420)
    run.write_status(_status(run, made, began))
    return run


def _status(run: RunDir, made: Plan, began: datetime) -> RunStatus:
    return RunStatus(
        run=run.name,
        status="complete",
        kit_version=made.kit_version,
        profile=made.profile,
        started=began,
        ended=began.replace(hour=9),
        duration_s=7 * 3600.0,
        rounds_planned=len(made.rounds),
        rounds_done=len(made.rounds),
    )


def _round(run: RunDir, entry: RoundPlan, began: datetime, chance: random.Random) -> None:
    case = entry.case
    samples = []
    for index in range(case.requests):
        gap = 0.05 * case.concurrency**0.8 * chance.lognormvariate(0, 0.05)
        first = case.input.tokens / 120 * case.concurrency * chance.uniform(0.6, 1.1)
        gaps = tuple(round(gap * chance.lognormvariate(0, 0.1), 9) for _ in range(case.output.tokens - 1))
        latency = first + sum(gaps)
        samples.append(
            Sample(
                index=index,
                succeeded=True,
                sent_s=(index // case.concurrency) * latency,
                latency_s=latency,
                ttft_s=first,
                gaps_s=gaps,
                input_tokens=case.input.tokens,
                output_tokens=case.output.tokens,
                tokens_from="usage",
                finish_reason="length",
            )
        )
    result = RoundResult(
        case=case,
        round=entry.round,
        started=began,
        duration_s=samples[-1].latency_s or 0.0,
        command=" ".join(entry.program.argv),
        figures=stats.figures(case, samples),
        native=NativeSummary(),
        telemetry=Telemetry(
            window="requests",
            window_s=samples[-1].latency_s or 0.0,
            interval_s=2.0,
            samples=200,
            power_mean_w=500.0 + 8 * case.concurrency,
            power_peak_w=610.0 + 8 * case.concurrency,
            energy_j=(500.0 + 8 * case.concurrency) * (samples[-1].latency_s or 0.0),
            tokens_per_joule=0.03 * case.concurrency**0.4,
            memory_peak_bytes=59 * 1024**3,
            utilisation_mean_percent=min(98.0, 40.0 + 4 * case.concurrency),
            temperature_peak_c=62.0,
            host_samples=200,
            cpu_mean_percent=(22.0,),
            client_peak_percent=3.0 + case.concurrency,
        ),
    )
    run.write_round(entry, result, samples, _ticks(entry, began, chance))


def _ticks(entry: RoundPlan, began: datetime, chance: random.Random) -> list[CardTick | HostTick]:
    """Two cards and the host every two seconds, for as long as the round takes."""
    found: list[CardTick | HostTick] = []
    busy = min(1.0, 0.4 + 0.04 * entry.case.concurrency)
    for number in range(200):
        at = began + timedelta(seconds=2 * number)
        cards = tuple(
            CardReading(
                card=card,
                chip=0,
                power_w=180 + 160 * busy * chance.uniform(0.9, 1.1) + 12 * card,
                utilisation_percent=100 * busy * chance.uniform(0.85, 1.0),
                temperature_c=48 + 12 * busy,
            )
            for card in (0, 1)
        )
        found.append(CardTick(at=at, began_s=2.0 * number, took_s=0.2, cards=cards))
        cpu = 22 * chance.uniform(0.8, 1.2)
        found.append(
            HostTick(
                at=at, began_s=2.0 * number, took_s=0.01, cpu_percent=(cpu,), client_percent=3 + entry.case.concurrency
            )
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--formats", default="md,docx,html,xlsx")
    parser.add_argument("--run", type=Path, help="a run made earlier with --keep: measures memory without making one")
    parser.add_argument("--keep", type=Path, help="make the run here and keep it")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        print(make_run(options.keep, options.requests).path)
        return
    if options.run:
        measure(RunDir.open(options.run), options.formats.split(","))
        return
    with tempfile.TemporaryDirectory() as scratch:
        measure(make_run(Path(scratch), options.requests), options.formats.split(","))


def measure(run: RunDir, formats: list[str]) -> None:
    """Time each step once, as a user meets it: libraries are imported when first needed."""
    began, used = time.perf_counter(), time.process_time()
    step = began, used

    def told(name: str, what: str) -> None:
        nonlocal step
        now = time.perf_counter(), time.process_time()
        print(f"{name:6} {now[0] - step[0]:6.2f} s {now[1] - step[1]:6.2f} s CPU   {what}")
        step = now

    built = report.build(report.read(run))
    told("read", f"{len(built.requests)} requests, {len(built.rows)} cases")
    for name in formats:
        told(name, f"{len(renderers.render(name, built)) / 1024:.0f} KiB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    step = began, used
    told("all", f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
