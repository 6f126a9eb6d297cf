"""`kit rehearse`: a profile on any machine, in a fraction of its time, against a server that behaves as its baseline says."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kit import beside, bounded
from kit import profile as profiles
from kit.errors import HostError, UsageError
from kit.legacy import baseline as baselines
from kit.legacy.profiles import COLUMNS
from kit.loadgens import GENERATORS
from kit.model import Load, Machine, MadeModel, Profile, Server
from kit.model.cases import CaseGroup
from kit.model.rates import load_of
from kit.model.table import METRICS, Row
from kit.running.beginning import Prepared
from kit.workflows import running

PORT = 18018
MODEL = "rehearsal"
_TIMES = ("latency", "ttft", "tpot")
_DIGITS = 6


def prepare(
    reference: str, settings: Sequence[str], out: Path, *, speed: float, baseline: Path | None = None
) -> Prepared:
    """Decide everything for the rehearsal of a profile. Raises `UsageError` where no baseline says how its server behaves."""
    loaded = profiles.load(reference, settings)
    known, name = _baseline(loaded, baseline)
    toy = running.plan("smoke", (), "process", out).plan.model
    assert toy is not None
    tokenizer = _tokenizer(loaded.profile.load)
    made = profiles.alone(
        profiles.resolved(rehearsal(loaded.profile, known, speed, tokenizer or toy.directory, name)).decode(),
        f"the rehearsal of {loaded.profile.name}",
    )
    made = replace(made, baseline=quickened(known, speed), prompts=loaded.prompts)
    prepared = running.planned(made, "process", out)
    return prepared if tokenizer is not None else _with_model(prepared, toy)


def rehearsal(profile: Profile, known: Sequence[Row], speed: float, tokenizer: str, baseline: str) -> Profile:
    """The profile with the reference server in place of its server, and nothing asked of the machine."""
    load = profile.load
    words = profile.report
    heading = f"演练（{speed:g} 倍速）：" if words.language == "zh-CN" else f"Rehearsal (x{speed:g}): "
    own = Server(
        engine="reference",
        image=f"{GENERATORS[load.generator].IMAGE}/{load.version}",
        port=PORT,
        ready_timeout=120.0,
        args=(
            ("--host", "{host}"),
            ("--port", "{port}"),
            ("--model", MODEL),
            ("--tokenizer", tokenizer),
            *(("--like", text) for text in points(known, speed)),
        ),
    )
    return profile.model_copy(
        update={
            "name": f"{profile.name[:70]}-rehearsal",
            "report": words.model_copy(
                # The machine is the one at hand, and says so itself.
                update={"project": heading + (words.project or profile.name), "environment": None, "rehearsal": True}
            ),
            "machine": Machine(),
            "server": own,
            # Sped up, plain evalscope's own time would weigh as many times more: the precise transport takes least.
            "load": load.model_copy(
                update={"tokenizer": tokenizer, "trust_remote_code": False, "cpuset": None, "transport": "precise"}
                | {"cases": tuple(_quick(group, speed) for group in load.cases)}
            ),
            "acceptance": profile.acceptance.model_copy(update={"baseline": baseline}),
        }
    )


def _quick(group: CaseGroup, speed: float) -> CaseGroup:
    """The cases, with rates that many times as high, and a ramp that is as much shorter."""
    told: dict[str, object] = {"ramp": group.shape.hurried(speed).ramp if group.shape is not None else None}
    if group.rate is not None:
        rates = tuple(rate.times(speed) for rate in group.rate)
        told |= {"rate": rates, "concurrency": tuple(rate.connections for rate in rates)}
    return group.model_copy(update=told)


def points(known: Sequence[Row], speed: float) -> tuple[str, ...]:
    """What the reference server is told of each case of a baseline, once for each input length and concurrency.

    From token to token it takes what latency and TTFT leave, where both are known: an old report's TPOT has two digits.
    """
    told: dict[tuple[int, int], str] = {}
    for row in known:
        if row.ttft is None:
            continue
        if row.latency is not None and row.output.tokens > 1:
            itl = (row.latency.value - row.ttft.value) / (row.output.tokens - 1)
        elif row.tpot is not None:
            itl = row.tpot.value
        else:
            continue
        # At a rate as many stand beside each other as come while one is answered.
        streams = row.concurrency
        if row.rate is not None:
            streams = round(row.rate.under_way(itl * (row.output.tokens - 1) + row.ttft.value))
        place = row.input.tokens, streams
        times = f"{_ms(row.ttft.value / speed)},{_ms(itl / speed)}"
        told.setdefault(place, f"{row.input.tokens},{streams}={times}")
    return tuple(told[place] for place in sorted(told))


def quickened(known: Sequence[Row], speed: float) -> bytes:
    """The baseline that many times as quick, as csv."""
    lines = [",".join(("input", "output", "concurrency", *COLUMNS))]
    for row in known:
        figures = []
        for metric in METRICS:
            cell = getattr(row, metric)
            factor = 1 / speed if metric in _TIMES else speed
            figures.append("" if cell is None else f"{cell.value * factor:.{_DIGITS}g}")
        rate = row.rate.times(speed) if row.rate is not None else None
        load = str(load_of(row.concurrency, rate, row.shape.hurried(speed) if row.shape is not None else None))
        lines.append(",".join((row.input.label, row.output.label, load, *figures)))
    return ("\n".join(lines) + "\n").encode()


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
    known = baselines.read(content, name)
    if not points(known, 1.0):
        raise UsageError(f"{name} has no case with TTFT and latency or TPOT", hint="give another with --baseline")
    return known, name


def _tokenizer(load: Load) -> str | None:
    """The profile's own tokenizer, where this machine has it in the form that needs no code of its own."""
    directory = os.path.abspath(os.path.expanduser(load.tokenizer))
    return directory if os.path.isfile(os.path.join(directory, "tokenizer.json")) else None


def _with_model(prepared: Prepared, toy: MadeModel) -> Prepared:
    """The plan that first makes the model that comes with kit, whose tokenizer then stands in."""
    plan = prepared.plan
    environments = dict.fromkeys((*plan.environments, toy.program.environment))
    return replace(prepared, plan=plan.model_copy(update={"model": toy, "environments": tuple(environments)}))
