"""`kit calibrate`: the reference server and the load path of a profile or a run, on this very machine, at its own loads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit import calibration, certificates, packed, runtimes, trials
from kit import profile as profiles
from kit.calibration import Error
from kit.errors import HostError, UsageError
from kit.host import LocalHost
from kit.legacy import baseline as baselines
from kit.loadgens import GENERATORS, ReadingError
from kit.model import Case, Environment, Length, Load, Mount, Order, Program, Target
from kit.model.calibration import Point
from kit.model.search import doubles
from kit.model.table import Row
from kit.ports import Progress, Runtime
from kit.resources import cache
from kit.runtimes import notes
from kit.store import RunDir

TTFT_S, ITL_S = 0.1, 0.01
"""What a server is taken to do where neither a baseline nor a run says: a demanding one."""
LONGEST_ROUND_S = 4.0
_MOST_INPUT = 128
_HERE = "127.0.0.1"
_PORTS = range(18300, 18400)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a profile, or a run, sends, the loads to try, the heaviest first, and whether over TLS."""

    load: Load
    points: tuple[Point, ...]
    secure: bool


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The errors at one point, one for each round."""

    point: Point
    rounds: tuple[Error, ...]


def expected(load: Load, baseline: Sequence[Row]) -> tuple[Point, ...]:
    """The loads of a profile at the times of its baseline; of a search those that it tries first."""
    found = []
    for group in load.cases:
        first = doubles(group.find.concurrency) if group.find is not None else group.concurrency
        for case in group.cases(load.requests_per_client):
            if case.concurrency in first:
                rows = [row for row in baseline if row.load == case.load]
                found += [
                    trials.point(case, row.ttft.value, row.tpot.value) for row in rows if row.ttft and row.tpot
                ] or [trials.point(case, TTFT_S, ITL_S)]
    return trials.quickest(found)


def calibrate(reference: str, settings: Sequence[str], rounds: int, progress: Progress) -> Iterator[Calibrated]:
    """The errors at every load of a profile, or of a run at the times that it measured; the lightest first.

    Raises `HostError` where the load path or the reference server fails, and where something is measured on this machine already.
    """
    with LocalHost().hold() as busy:
        if busy is not None:
            raise HostError(f"{busy}; each would measure the other", hint="wait for its end")
        yield from _calibrated(wanted(reference, settings), rounds, progress)


def wanted(reference: str, settings: Sequence[str]) -> Wanted:
    """What is to be tried of a profile or a run. Raises `UsageError` where a run tells of no load."""
    home = next((one for one in (Path(reference), Path("runs") / reference) if (one / "plan.json").is_file()), None)
    if home is not None:
        if settings:
            raise UsageError(f"{reference} is a run, and its load is what it was: --set is for profiles")
        run = RunDir(home)
        plan = run.plan()
        points = trials.measured(run.results(plan))
        if not points:
            raise UsageError(
                f"{reference} has no round with TTFT and TPOT", hint="give the profile: kit calibrate PROFILE"
            )
        load = profiles.alone(run.text("profile.yaml") + "\n", str(run.path / "profile.yaml")).profile.load
        return Wanted(load, points, plan.target.secure)
    loaded = profiles.load(reference, settings)
    known: tuple[Row, ...] = ()
    if loaded.baseline is not None:
        known = baselines.read(loaded.baseline, str(loaded.profile.acceptance.baseline))
    secure = (loaded.profile.server.url or "").startswith("https:")
    return Wanted(loaded.profile.load, expected(loaded.profile.load, known), secure)


def _calibrated(wanted: Wanted, rounds: int, progress: Progress) -> Iterator[Calibrated]:
    load = wanted.load
    runtime = runtimes.make("process")
    sender = runtime.pin(GENERATORS[load.generator].IMAGE, load.version)
    runtime.prepare(sender, progress)
    tokenizer = _tokenizer(load.tokenizer)
    for point in reversed(wanted.points):
        if point.asked_itl_s > 0:
            most = max(trials.LEAST_TOKENS, int(LONGEST_ROUND_S / point.asked_itl_s))
            point = point.model_copy(update={"tokens": min(point.tokens, most)})
        progress(f"{point.load}, {point.tokens} tokens each")
        yield Calibrated(
            point, tuple(_round(runtime, sender, wanted, tokenizer, point, seed) for seed in range(rounds))
        )


def _tokenizer(named: str) -> str:
    if "{model}" in named:
        made = sorted((cache() / "models").glob("*/tokenizer.json"))
        if not made:
            raise HostError("the model that kit makes by itself is not made yet", hint="kit run smoke makes it")
        return str(made[0].parent)
    path = Path(named).expanduser().absolute()
    if not path.is_dir():
        raise HostError(f"the tokenizer {path} is not there", hint="give one with --set load.tokenizer=DIR")
    return str(path)


def _round(runtime: Runtime, sender: Environment, wanted: Wanted, tokenizer: str, point: Point, seed: int) -> Error:
    load = wanted.load
    generator = GENERATORS[load.generator]
    host = LocalHost()
    port = next((number for number in _PORTS if host.port_is_free(number)), None)
    if port is None:
        raise HostError(f"no port from {_PORTS[0]} to {_PORTS[-1]} is free")
    case = Case(
        input=Length.model_validate(_MOST_INPUT),
        output=Length.model_validate(point.tokens),
        concurrency=point.concurrency,
        rate=point.rate,
        requests=point.requests,
    )
    order = Order(
        version=load.version,
        transport=load.transport,
        case=case,
        seed=load.seed + seed,
        target=Target(url=f"{'https' if wanted.secure else 'http'}://{_HERE}:{port}", model="reference"),
        tokenizer=tokenizer,
        read_timeout_s=load.read_timeout,
        processes=None if load.processes == "auto" else load.processes,
    )
    with notes.scratch("calibrate") as scratch:
        home, raw = Path(scratch) / "server", Path(scratch) / "raw"
        record, log = home / "sent.jsonl", Path(scratch) / "load.log"
        for directory in (home, raw):
            packed.place(directory, packed.digest())
        speaking, trusting = _secured(home) if wanted.secure else ((), ())
        times = ("--ttft", f"{point.asked_ttft_s:.6f}", "--itl", f"{point.asked_itl_s:.6f}")
        server = Program(
            name="reference",
            environment=sender,
            argv=(*packed.COMMAND, "reference", "--port", str(port), *times, *speaking, "--record", str(record)),
        )
        argv = generator.argv(order)
        client = Program(
            name="load",
            environment=sender,
            argv=argv,
            env=(*generator.env(order), *trusting),
            mounts=(Mount(path=tokenizer),),
        )
        said: list[str] = []
        with runtime.start(server, directory=home, log=home / "log", secrets={}, on_line=said.append) as serving:
            while not any("listening" in line for line in said):
                if (ended := serving.wait(0.05)) is not None:
                    raise HostError(f"the reference server ended with {ended}: {' / '.join(said[-3:])}")
            tail: list[str] = []
            with runtime.start(client, directory=raw, log=log, secrets={}, on_line=tail.append) as sending:
                while (ended := sending.wait(0.25)) is None:
                    continue
        if ended.code != 0:
            raise HostError(f"the load generator ended with {ended}: {generator.blame(tail[-50:]) or tail[-1:]}")
        try:
            samples = generator.read(raw, log, order).samples
            return calibration.error(case, samples, calibration.truth(record.read_text("utf-8").splitlines()))
        except (ReadingError, ValueError, OSError) as problem:
            raise HostError(f"nothing can be said of {point.load}: {problem}") from problem


def _secured(home: Path) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The words by which the reference server speaks TLS, and the variable by which a client trusts it."""
    key, certificate = certificates.self_signed(_HERE, LocalHost().now())
    shown, trusted = home / "reference.pem", home / "trusted.pem"
    shown.touch(0o600)
    shown.write_text(key + certificate, "utf-8")
    trusted.write_text(certificate, "utf-8")
    return ("--certificate", str(shown)), (("SSL_CERT_FILE", str(trusted)),)
