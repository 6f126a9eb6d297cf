"""A run of kit's own as one side of a comparison."""

import posixpath
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from kit import calibration, clocks, rounds, stats
from kit.comparing.sides import MEASUREMENT, REHEARSAL, Measured, Side, arguments, lengths, success, weights
from kit.engines import ENGINES
from kit.errors import UsageError
from kit.inventory import comparing
from kit.legacy import lines
from kit.loadgens import GENERATORS
from kit.model import Inventory, Plan, RoundPlan, RoundResult
from kit.model.calibration import Calibration
from kit.store import RunDir


def of_run(run: RunDir, *, requests: bool = True) -> Side:
    """A run of kit's own. Its requests are only read where a case has a single round, and not without `requests`."""
    planned, inventory, status = run.plan(), run.inventory(), run.status()
    results = run.results(planned)
    plan = rounds.settled(planned, results)
    if not results:
        raise UsageError(f"{run.path} has no finished round", hint=f"kit run --resume {run.name}")
    by_case: dict[str, list[RoundResult]] = {}
    for result in results:
        by_case.setdefault(result.case.id, []).append(result)
    tried = run.calibration()
    entries = {(entry.case.id, entry.round): entry for entry in plan.rounds}
    cases = [
        _measured(found, run, entries[found[0].case.id, found[0].round], requests and plan.rounds_per_case == 1, tried)
        for found in by_case.values()
    ]
    argv = plan.server.program.argv if plan.server is not None else ()
    load = lines.load(shlex.join(plan.rounds[0].program.argv))
    whole = status.status == "complete" and all(
        len(plan.numbers(found[0].case)) == len(found) for found in by_case.values()
    )
    # A server of a later attempt may have found other files.
    served = {start.weights for start in run.server_starts()}
    title = f"{ENGINES[plan.engine].TITLE} {plan.engine_version or ''}".strip()
    accelerator, count = _accelerators(plan, inventory)
    return Side(
        name=run.name,
        kind="run",
        keys={
            "model": plan.report.model_label or plan.target.model,
            "weights": weights(plan.engine, argv) if len(served) < 2 else f"changed between the starts of {run.name}",
            "lengths": lengths(cases),
            "generator": GENERATORS[plan.generator].TITLE,
            "generator_version": plan.generator_version,
            "transport": plan.rounds[0].order.transport,
            "dataset": load.one("dataset"),
            "seed": _seed(planned),
            "rehearsal": REHEARSAL if plan.report.rehearsal else MEASUREMENT,
            "success": success(cases),
            "complete": "complete" if whole else f"{status.rounds_done} of {status.rounds_planned} rounds",
        },
        cases={case.key: case for case in cases},
        hardware=plan.report.environment or _hardware(inventory, accelerator, count),
        engine=title,
        accelerators=count,
        accelerator=accelerator,
        started=status.started,
        rounds=plan.rounds_per_case,
        machine=tuple(comparing.facts(inventory)),
        software=(("engine", title), *((f"environment {e.name}", e.digest) for e in plan.environments)),
        arguments=tuple(given(plan)),
        load=(
            ("requests per client", ", ".join(map(str, _per_client(plan)))),
            ("rounds", str(plan.rounds_per_case)),
            ("warm-up", _warm_up(planned)),
            # By its name: the folder lies elsewhere on other machines.
            ("tokenizer", posixpath.basename(plan.tokenizer.rstrip("/"))),
            ("runtime", plan.runtime),
            ("streamed", "yes" if "stream" in load.options else "no"),
            ("kit", plan.kit_version),
            *((("instrument", instrument),) if (instrument := plan.rounds[0].program.instrument) else ()),
        ),
        weights=served.pop() if len(served) == 1 else (),
    )


def given(plan: Plan) -> Iterator[tuple[str, str]]:
    """The arguments and variables of the server that a plan starts, each by its name.

    A command that is of no engine kit knows is one argument.
    """
    if plan.server is None:
        return
    words = shlex.join(plan.server.program.argv)
    known = lines.server(words)
    yield from arguments(known.args) if known.engine is not None else [("server", words)]
    yield from plan.server.program.env


def _errors(results: Sequence[RoundResult], tried: Calibration | None) -> dict[str, float]:
    """How wrong the instrument may be in the figures of a case, by metric: the most of all trials and rounds."""
    found: dict[str, float] = {}
    for result in results:
        for name, share in calibration.shares(tried, result.case, result.figures).items():
            metric = "output_throughput" if name == "throughput" else name
            found[metric] = max(found.get(metric, 0.0), abs(share.worst))
    return found


def _measured(
    results: Sequence[RoundResult], run: RunDir, entry: RoundPlan, single_round: bool, tried: Calibration | None
) -> Measured:
    figures = [result.figures for result in results]
    case = results[0].case
    values: dict[str, tuple[float | None, ...]] = {
        "output_throughput": tuple(found.output_throughput for found in figures),
        "latency": tuple(found.latency_s.mean if found.latency_s else None for found in figures),
        "ttft": tuple(found.ttft_s.mean if found.ttft_s else None for found in figures),
        "tpot": tuple(found.tpot_s.mean if found.tpot_s else None for found in figures),
        "tps": tuple(found.tps for found in figures),
        "prefill_speed": tuple(
            found.input_tokens.mean / found.ttft_s.mean if found.input_tokens and found.ttft_s else None
            for found in figures
        ),
        "per_joule": tuple(result.telemetry.tokens_per_joule if result.telemetry else None for result in results),
    }
    single: dict[str, tuple[float, ...]] = {}
    if single_round:
        good = [sample for sample in clocks.counted(case, run.samples(entry)) if sample.succeeded]
        for metric in ("latency", "ttft"):
            named = [getattr(sample, f"{metric}_s") for sample in good]
            single[metric] = tuple(value for value in named if isinstance(value, float))
    return Measured(
        input=case.input,
        output=case.output,
        concurrency=case.concurrency,
        rate=case.rate,
        shape=case.shape,
        rounds=len(results),
        values=values,
        requests=case.requests,
        sent=sum(found.requests for found in figures),
        succeeded=sum(found.succeeded for found in figures),
        tokens_in=stats.mean(found.input_tokens.mean if found.input_tokens else None for found in figures),
        tokens_out=stats.mean(found.output_tokens.mean if found.output_tokens else None for found in figures),
        errors=_errors(results, tried),
        single=single,
    )


def _accelerators(plan: Plan, inventory: Inventory) -> tuple[str | None, int | None]:
    """Model and number of the accelerators that the run used; an external server's are those that the profile expects."""
    wish = plan.machine.accelerator
    count = len(plan.devices) or (wish.count if wish is not None else None)
    names = {
        device.name.value or device.series.value
        for family in inventory.accelerators
        for device in family.devices.value or ()
        if (device.card, device.chip) in plan.devices
    }
    named = next(iter(names)) if len(names) == 1 else None
    return named or (wish.model if wish is not None else None), count or None


def _hardware(inventory: Inventory, accelerator: str | None, count: int | None) -> str:
    if accelerator and count:
        return f"{count} x {accelerator}"
    return inventory.cpu.model.value or inventory.cpu.architecture.value or "—"


def _seed(plan: Plan) -> str:
    """The seed of the first round, and by how much that of each further case is another."""
    first = [next(entry.order.seed for entry in plan.rounds if entry.case.id == case.id) for case in plan.cases]
    step = first[1] - first[0] if len(first) > 1 else 0
    return f"{first[0]}, +{step} for each case" if step else f"{first[0]}"


def _warm_up(plan: Plan) -> str:
    """How many requests warm a case up before its first round."""
    sent = Counter[str]()
    for entry in plan.warmups:
        sent[entry.case.id] += entry.case.requests
    return f"{', '.join(map(str, sorted(set(sent.values()))))} requests" if sent else "none"


def _per_client(plan: Plan) -> list[float | int]:
    ratios = {case.requests / case.concurrency for case in plan.cases if case.rate is None}
    return sorted(int(ratio) if ratio == int(ratio) else ratio for ratio in ratios)
