"""Runs whose true speed is known: requests with noise of their own on rounds with noise of theirs, written as kit writes runs."""

from pathlib import Path

import numpy as np

from kit.model import Case, Plan, RoundPlan, RoundResult, Telemetry
from kit.store import RunDir
from tests.unit.written import Written

CASES = """\
    - {input: 128, output: 512, concurrency: [1, 2, 4, 8, 16]}
    - {input: 2k, output: 512, concurrency: [1, 2, 4, 8, 16]}
    - {input: 4k, output: 512, concurrency: [1, 2, 4]}
    - {input: 8k, output: 1k, concurrency: [1, 2, 4]}
    - {input: 10k, output: 3k, concurrency: [1, 2]}
"""
PROFILE = """\
schema: 1
name: tiny
report:
  model_label: DeepSeek-R1-0528-w8a8
  environment: ENVIRONMENT
machine:
  architecture: aarch64
server:
  engine: sglang
  version: VERSION
  image: sglang
  port: 8001
  args:
    - [--model-path, /models/DeepSeek-R1-W8A8]
    - [--port, "{port}"]
    - [--mem-fraction-static, "MEMORY"]
load:
  rounds: 3
  requests_per_client: 4
  tokenizer: /models/DeepSeek-R1-W8A8
  cases:
"""


def planted(
    folder: Path,
    name: str,
    seed: int,
    *settings: str,
    faster: float = 0.0,
    only: str | None = None,
    noise: tuple[float, float] = (0.01, 0.05),
    cases: str = CASES,
    engine: str = "0.5.3",
    memory: str = "0.9",
    machine: str = "kunpeng-7270z",
) -> RunDir:
    """A run whose every speed (of `only` one case) is greater by a share; noise of a round and of a request, relative."""
    rng = np.random.default_rng(seed)
    rounds: dict[tuple[str, int], float] = {}

    def change(entry: RoundPlan, index: int) -> dict[str, object]:
        slow = rounds.setdefault((entry.case.id, entry.round), float(np.exp(rng.normal(0, noise[0]))))
        if only in (None, entry.case.id):
            slow /= 1 + faster
        ttft, tpot = (slow * float(np.exp(rng.normal(0, noise[1]))) * value for value in true(entry.case))
        # A client sends its next request when the one before is answered: all of one client take about as long.
        latency = ttft + tpot * (entry.case.output.tokens - 1)
        sent = (index // entry.case.concurrency) * slow * sum(_latency(entry.case))
        return {"sent_s": sent, "ttft_s": ttft, "latency_s": latency}

    text = PROFILE.replace("VERSION", engine).replace("MEMORY", memory).replace("ENVIRONMENT", name) + cases
    folder.mkdir(parents=True, exist_ok=True)
    written = Written(folder / f"{name}-parts", *settings, change=change, machine=machine, text=text)
    path = folder / f"20261123-210507-{name}"
    written.run.path.rename(path)
    return RunDir(path)


def true(case: Case) -> tuple[float, float]:
    """TTFT and TPOT of a case without noise."""
    clients = case.concurrency
    return 0.4 + case.input.tokens / 1500 * clients**0.7, 0.055 * clients**0.55


def _latency(case: Case) -> tuple[float, float]:
    ttft, tpot = true(case)
    return ttft, tpot * (case.output.tokens - 1)


def with_accelerators(run: RunDir, count: int) -> RunDir:
    """The run, as if its profile expected accelerators."""
    plan: Plan = run.plan()
    machine = plan.machine.model_validate(
        {"architecture": "aarch64", "accelerator": {"kind": "ascend", "model": "910B4", "count": count}}
    )
    (run.path / "plan.json").write_bytes(plan.model_copy(update={"machine": machine}).to_json())
    return run


def with_power(run: RunDir, watts: float) -> RunDir:
    """The run, as if its accelerators had taken that much power in every round."""
    for path in sorted(run.path.glob("cases/*/*/result.json")):
        result = RoundResult.model_validate_json(path.read_bytes())
        throughput = result.figures.output_throughput
        told = Telemetry(
            window="requests",
            window_s=40.0,
            interval_s=1.0,
            samples=40,
            power_mean_w=watts,
            energy_j=watts * 40,
            tokens_per_joule=throughput / watts if throughput is not None else None,
        )
        path.write_bytes(result.model_copy(update={"telemetry": told}).to_json())
    return run
