"""`kit rehearse`: a profile on any machine, in a fraction of its time, against a server that behaves as its baseline says."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kit import behaviour, beside, bounded, store
from kit import profile as profiles
from kit.behaviour import Behaviour, Times
from kit.errors import HostError, UsageError
from kit.legacy import baseline as baselines
from kit.legacy.profiles import COLUMNS
from kit.loadgens import GENERATORS
from kit.model import Doubt, Load, Machine, Plan, Profile, Server
from kit.model.cases import CaseGroup
from kit.model.rates import MOST_PER_SECOND, load_of
from kit.model.table import METRICS, Row
from kit.running.beginning import Prepared
from kit.texts import say
from kit.workflows import running
from kit.workflows.running import Finished

PORT = 18018
MODEL = "rehearsal"
_TIMES = ("latency", "ttft", "tpot")
_DIGITS = 6


def prepare(
    reference: str, settings: Sequence[str], out: Path, *, speed: float, baseline: Path | None = None
) -> Prepared:
    """Decide everything for the rehearsal of a profile. Raises `UsageError` where no baseline says how its server behaves."""
    loaded = profiles.load(reference, settings)
    rows, name = _baseline(loaded, baseline)
    known = _behaviour(rows, name)
    _require_sendable(loaded.profile.load, speed)
    toy = running.toy(out)
    tokenizer = _tokenizer(loaded.profile.load)
    made = profiles.alone(
        profiles.resolved(rehearsal(loaded.profile, known, speed, tokenizer or toy.directory, name)).decode(),
        f"the rehearsal of {loaded.profile.name}",
    )
    made = replace(made, baseline=quickened(rows, speed), prompts=loaded.prompts)
    prepared = running.planned(made, "process", out)
    foretold = tuple(missed(loaded.profile.load, rows, known, prepared.plan, speed))
    plan = prepared.plan.model_copy(update={"caveats": (*prepared.plan.caveats, *foretold)})
    prepared = replace(prepared, plan=plan)
    return prepared if tokenizer is not None else replace(prepared, plan=running.with_model(plan, toy))


def rehearsal(profile: Profile, known: Behaviour, speed: float, tokenizer: str, baseline: str) -> Profile:
    """The profile with the reference server in place of its server, and nothing asked of the machine."""
    load, words = profile.load, profile.report
    quick = tuple(_quick(group, speed) for group in load.cases)
    heading = f"演练（{speed:g} 倍速）：" if words.language == "zh-CN" else f"Rehearsal (x{speed:g}): "
    own = Server(
        engine="reference",
        image=f"{GENERATORS[load.generator].IMAGE}/{load.version}",
        port=PORT,
        model=f"{MODEL}-{{case}}",
        ready_timeout=120.0,
        args=(
            ("--host", "{host}"),
            ("--port", "{port}"),
            ("--tokenizer", tokenizer),
            *(("--model", text) for text in _models(load, quick, known, speed)),
        ),
    )
    return profile.model_copy(
        update={
            "name": f"{profile.name[:70]}-rehearsal",
            "report": words.model_copy(
                # The machine is the one at hand, and says so itself.
                update={"project": heading + (words.project or profile.name), "environment": None, "rehearsal": True}
                | {"model": words.model or MODEL, "model_label": words.model_label or MODEL}
            ),
            "machine": Machine(),
            "server": own,
            # Sped up, plain evalscope's own time would weigh as many times more: the precise transport takes least.
            "load": load.model_copy(
                update={"tokenizer": tokenizer, "trust_remote_code": False, "cpuset": None, "transport": "precise"}
                | {"cases": quick}
            ),
            "acceptance": profile.acceptance.model_copy(
                update={"baseline": baseline}
                | {
                    name: tuple(one.hurried(speed) for one in getattr(profile.acceptance, name))
                    for name in ("limits", "waivers")
                }
            ),
        }
    )


def _quick(group: CaseGroup, speed: float) -> CaseGroup:
    """The cases, with rates and limits that many times as high, and a ramp that is as much shorter."""
    told: dict[str, object] = {"ramp": group.shape.hurried(speed).ramp if group.shape is not None else None}
    if group.find is not None:
        limits = tuple(limit.hurried(speed) for limit in group.find.limits)
        told["find"] = group.find.model_copy(update={"limits": limits})
    if group.rate is not None:
        rates = tuple(rate.times(speed) for rate in group.rate)
        told |= {"rate": rates, "concurrency": tuple(rate.connections for rate in rates)}
    return group.model_copy(update=told)


def _models(load: Load, quick: tuple[CaseGroup, ...], known: Behaviour, speed: float) -> Iterator[str]:
    """What the reference server is told: a model for each case, with the times of that case."""
    hurried = load.model_copy(update={"cases": quick})
    for own, case in zip(load.expanded(), hurried.expanded(), strict=True):
        found = known.of(own)
        yield f"{MODEL}-{case.id}={_ms(found.ttft_s / speed)}/{_ms(found.itl_s / speed)}"


def missed(load: Load, rows: Sequence[Row], known: Behaviour, plan: Plan, speed: float) -> Iterator[Doubt]:
    """What of the baseline will not be met however quick the machine is: figures of a row that no answers of one length of time have."""
    written = {row.key: row for row in rows}
    first = {entry.case.id: entry for entry in reversed(plan.rounds)}
    off: dict[str, list[str]] = {}
    for own, case in zip(load.expanded(), plan.cases, strict=True):
        if (row := written.get(own.key)) is None:
            continue
        times = known.of(own)
        found = behaviour.figures(first[case.id], Times(times.ttft_s / speed, times.itl_s / speed))
        slow = {metric: value / _factor(metric, speed) for metric, value in found.items()}
        shares = behaviour.missed(row, slow)
        for metric, share in shares.items():
            # That of one stream is a part of the whole, and misses with it.
            if metric == "per_stream_throughput" and "output_throughput" in shares:
                continue
            off.setdefault(metric, []).append(f"{case.id} ({share:+.1%})")
    for metric, cases in off.items():
        yield Doubt(kind=f"caveat-missed-{metric}", values=(("cases", ", ".join(cases)),))


def slowed(finished: Finished, speed: float) -> str | None:
    """What the machine took itself, and the speed at which it would not matter, where it did."""
    run = finished.run
    made, content = run.plan(), run.baseline()
    known = Behaviour(baselines.read(content or b"", store.BASELINE))
    done = [entry for entry in made.rounds if run.has(entry)]
    figures = [result.figures for result in run.results(made)]
    if (found := behaviour.slowed(zip(done, figures, strict=True), known)) is None:
        return None
    return told(*found, speed)


def told(case: str, metric: str, share: float, speed: float) -> str:
    """By what share a figure is off at a speed, and what would make it less."""
    weighs = (
        f"{say('en', f'metric-{metric}')} of {case} is {share:+.1%} off what the server's times make it: so much this machine, and what "
        f"else ran on it, weighs at --speed {speed:g}"
    )
    better = max(1.0, speed * behaviour.LARGEST / abs(share))
    if better == speed:
        return f"{weighs}; no speed is lower: end what else runs here, or rehearse on a machine with more processors"
    return f"{weighs}; at --speed {better:.2g} it would be about {abs(share) * better / speed:.1%}"


def quickened(known: Sequence[Row], speed: float) -> bytes:
    """The baseline that many times as quick, as csv."""
    lines = [",".join(("input", "output", "concurrency", *COLUMNS))]
    for row in known:
        figures = []
        for metric in METRICS:
            cell = getattr(row, metric)
            figures.append("" if cell is None else f"{cell.value * _factor(metric, speed):.{_DIGITS}g}")
        rate = row.rate.times(speed) if row.rate is not None else None
        load = str(load_of(row.concurrency, rate, row.shape.hurried(speed) if row.shape is not None else None))
        lines.append(",".join((row.input.label, row.output.label, load, *figures)))
    return ("\n".join(lines) + "\n").encode()


def _factor(metric: str, speed: float) -> float:
    return 1 / speed if metric in _TIMES else speed


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3f}ms"


def _baseline(loaded: profiles.Loaded, given: Path | None) -> tuple[tuple[Row, ...], str]:
    if given is not None:
        try:
            content, name = bounded.read(given, beside.BASELINE_BYTES), str(given)
        except OSError as error:
            raise HostError(f"{given} cannot be read: {error.strerror}") from error
    elif loaded.baseline is not None:
        content, name = loaded.baseline, str(loaded.profile.acceptance.baseline)
    else:
        msg = f"{loaded.source} has no baseline: nothing says how its server behaves"
        raise UsageError(msg, hint="--baseline FILE takes one: a csv, or the results.csv of an earlier run")
    return baselines.read(content, name), name


def _behaviour(rows: Sequence[Row], name: str) -> Behaviour:
    try:
        return Behaviour(rows)
    except ValueError as error:
        raise UsageError(f"{name}: {error}", hint="give another with --baseline") from error


def _require_sendable(load: Load, speed: float) -> None:
    """Raises `UsageError` where a rate would be higher than any profile may ask for."""
    highest = max((case.rate.per_second for case in load.expanded() if case.rate is not None), default=0.0)
    if highest * speed > MOST_PER_SECOND:
        msg = f"{highest:g} requests per second come to {highest * speed:g} at --speed {speed:g}: {MOST_PER_SECOND} are the most"
        raise UsageError(msg, hint=f"--speed {MOST_PER_SECOND / highest:g} or less")


def _tokenizer(load: Load) -> str | None:
    """The profile's own tokenizer, where this machine has it in the form that needs no code of its own."""
    directory = os.path.abspath(os.path.expanduser(load.tokenizer))
    return directory if os.path.isfile(os.path.join(directory, "tokenizer.json")) else None
