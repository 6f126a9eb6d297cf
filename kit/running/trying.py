"""The instrument's own error, found out when the last round is over: the load's sender against a server whose times are known."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from kit import bounded, calibration, certificates, packed, trials
from kit.durable import make_directory
from kit.errors import KitError
from kit.loadgens import ReadingError, exchanges
from kit.model import Case, Doubt, Length, Plan, Program
from kit.model.calibration import Calibration, Point, Trial
from kit.ports import Doors
from kit.redaction import plain
from kit.store import RunDir

LONGEST_S = 60.0
SHARE = 0.05
"""Of a run's time, at most."""
LOG = "log"
_HANGS_S = 30.0
_HERE = "127.0.0.1"
_CERTIFICATE = "KIT_TRIAL_CERTIFICATE"
"""As `kit.instrument.trial` calls it."""
_LARGEST_RECORD = 2**30
"""Of what a server tells of its tokens: some bytes for each, for as long as the trial lasts."""


def calibrate(plan: Plan, doors: Doors, run: RunDir, ran_s: float) -> Calibration:
    """Try every load of a run that fits into the time there is, and write it down; what fails is a reason, no error."""
    budget = min(LONGEST_S, SHARE * ran_s)
    began, at = doors.host.monotonic(), doors.host.now()
    transport = plan.rounds[0].order.transport
    points: tuple[Point, ...] = ()
    reason: Doubt | None = None
    if transport != "precise":
        reason = Doubt(kind="untried-transport")
    else:
        wanted = trials.measured(run.results(plan))
        points = trials.within(wanted, budget)
        if not wanted:
            reason = Doubt(kind="untried-nothing")
        elif not any(point.reason is None for point in points):
            reason = Doubt(kind="untried-short", values=(("budget", f"{budget:.1f}"),))
    if reason is None:
        points, reason = _tried(plan, doors, run.path / "calibration", points, budget)
    took = doors.host.monotonic() - began
    found = Calibration(at=at, transport=transport, budget_s=budget, took_s=took, reason=reason, points=points)
    run.write_calibration(found)
    return found


def _tried(
    plan: Plan, doors: Doors, home: Path, points: Sequence[Point], budget_s: float
) -> tuple[tuple[Point, ...], Doubt | None]:
    fitting = [point for point in points if point.reason is None]
    rounds = trials.rounds(fitting, budget_s)
    try:
        make_directory(home)
        packed.place(home, packed.digest())
        processes = plan.rounds[0].order.processes
        asked = [_asked(point, number, processes) for point in fitting for number in range(rounds)]
        said = _run(plan, doors, home, asked, budget_s)
        if said is not None:
            return tuple(points), _failed(said)
        return tuple(point if point.reason else _measured(point, home, rounds) for point in points), None
    except (KitError, ReadingError, OSError, ValueError) as error:
        return tuple(points), _failed(str(error))
    finally:
        for path in home.iterdir() if home.is_dir() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOG:
                path.unlink()


def _failed(why: str) -> Doubt:
    return Doubt(kind="untried-failed", values=(("error", " ".join(plain(why).split())[:200]),))


def _asked(point: Point, number: int, processes: int | None) -> Mapping[str, object]:
    return {
        "name": _name(point, number),
        "clients": point.concurrency,
        "requests": point.requests,
        "tokens": point.tokens,
        "ttft_s": point.asked_ttft_s,
        "itl_s": point.asked_itl_s,
        "processes": processes,
        "rate": point.rate.model_dump() if point.rate is not None else None,
        "seed": number,
    }


def _name(point: Point, number: int) -> str:
    return f"{point.rate.id if point.rate is not None else point.concurrency}-{number}"


def _run(plan: Plan, doors: Doors, home: Path, asked: Sequence[Mapping[str, object]], budget_s: float) -> str | None:
    """Why the trial failed, or None."""
    load = plan.rounds[0].program
    secrets = {_CERTIFICATE: "".join(certificates.self_signed(_HERE, doors.host.now()))} if plan.target.secure else {}
    program = Program(
        name="calibration",
        environment=load.environment,
        argv=(*packed.COMMAND, "trial", json.dumps(asked)),
        container=load.container,
        secrets=tuple(secrets),
        instrument=packed.digest(),
    )
    tail: list[str] = []
    began = doors.host.monotonic()
    with doors.runtime.start(program, directory=home, log=home / LOG, secrets=secrets, on_line=tail.append) as trying:
        while (ended := trying.wait(0.1)) is None:
            if doors.host.monotonic() - began > budget_s + _HANGS_S:
                return "the trial did not come to its end"
    return None if ended.code == 0 else f"the trial ended with {ended}: {' / '.join(tail[-2:])}"


def _measured(point: Point, home: Path, rounds: int) -> Point:
    return point.model_copy(update={"trials": tuple(_trial(point, home / _name(point, n)) for n in range(rounds))})


def _trial(point: Point, folder: Path) -> Trial:
    samples, _ = exchanges.read(folder, point.requests)
    length = Length.model_validate(point.tokens)
    case = Case(input=length, output=length, concurrency=point.concurrency, rate=point.rate, requests=point.requests)
    lines = bounded.read(folder / "sent.jsonl", _LARGEST_RECORD).decode("utf-8").splitlines()
    error = calibration.error(case, samples, calibration.truth(lines))
    return calibration.trial(error, exchanges.demand(folder))
