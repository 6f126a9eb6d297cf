"""`kit calibrate`: the reference server and a profile's load path, on this very machine, at the profile's concurrencies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit import calibration, packed, runtimes
from kit import profile as profiles
from kit.calibration import Error
from kit.errors import HostError
from kit.host import LocalHost
from kit.legacy import baseline as baselines
from kit.loadgens import GENERATORS, ReadingError
from kit.model import Case, Environment, Length, Load, Mount, Order, Program, Target
from kit.model.table import Row
from kit.ports import Progress, Runtime
from kit.resources import cache
from kit.runtimes import notes

TTFT_S, ITL_S = 0.1, 0.01
"""What a server is taken to do where the profile has no baseline: a demanding one."""
LONGEST_TTFT_S, LONGEST_ROUND_S = 1.0, 4.0
_LEAST_TOKENS, _MOST_TOKENS, _MOST_INPUT = 8, 128, 128
_PORTS = range(18300, 18400)


@dataclass(frozen=True, slots=True)
class Point:
    """One concurrency, with the times that are expected there, and for how many tokens they are tried."""

    concurrency: int
    ttft_s: float
    itl_s: float
    tokens: int
    expected: bool
    """Whether the times come from the baseline."""

    @property
    def rate(self) -> float:
        """Tokens per second while all decode."""
        return self.concurrency / self.itl_s


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The errors at one point, one for each round."""

    point: Point
    rounds: tuple[Error, ...]


def points(load: Load, baseline: tuple[Row, ...]) -> tuple[Point, ...]:
    """Each concurrency of a profile once: at the shortest TPOT that the baseline has for it, which asks most of a client."""
    found: dict[int, Point] = {}
    for case in load.expanded():
        # At a rate as many may come to be under way as have a connection beforehand.
        clients = case.concurrency if case.rate is None else min(case.concurrency, case.requests)
        rows = [row for row in baseline if row.load == case.load and row.tpot and row.ttft]
        quickest = min(rows, key=lambda row: row.tpot.value if row.tpot else 0.0, default=None)
        ttft = quickest.ttft.value if quickest is not None and quickest.ttft is not None else TTFT_S
        itl = quickest.tpot.value if quickest is not None and quickest.tpot is not None else ITL_S
        tokens = max(_LEAST_TOKENS, min(_MOST_TOKENS, int(LONGEST_ROUND_S / itl)))
        found[clients] = Point(clients, min(ttft, LONGEST_TTFT_S), itl, tokens, quickest is not None)
    return tuple(found[concurrency] for concurrency in sorted(found))


def calibrate(loaded: profiles.Loaded, rounds: int, progress: Progress) -> Iterator[Calibrated]:
    """The errors at every point of a profile. Raises `HostError` where the load path or the reference server fails, and where
    something is measured on this machine already."""
    with LocalHost().hold() as busy:
        if busy is not None:
            raise HostError(f"{busy}; each would measure the other", hint="wait for its end")
        yield from _calibrated(loaded, rounds, progress)


def _calibrated(loaded: profiles.Loaded, rounds: int, progress: Progress) -> Iterator[Calibrated]:
    load = loaded.profile.load
    known: tuple[Row, ...] = ()
    if loaded.baseline is not None:
        known = baselines.read(loaded.baseline, str(loaded.profile.acceptance.baseline))
    runtime = runtimes.make("process")
    sender = runtime.pin(GENERATORS[load.generator].IMAGE, load.version)
    runtime.prepare(sender, progress)
    tokenizer = _tokenizer(load.tokenizer)
    for point in points(load, known):
        progress(f"{point.concurrency} clients, {point.rate:.0f} tokens/s")
        yield Calibrated(point, tuple(_round(runtime, sender, load, tokenizer, point) for _ in range(rounds)))


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


def _round(runtime: Runtime, sender: Environment, load: Load, tokenizer: str, point: Point) -> Error:
    generator = GENERATORS[load.generator]
    host = LocalHost()
    port = next((number for number in _PORTS if host.port_is_free(number)), None)
    if port is None:
        raise HostError(f"no port from {_PORTS[0]} to {_PORTS[-1]} is free")
    case = Case(
        input=Length.model_validate(_MOST_INPUT),
        output=Length.model_validate(point.tokens),
        concurrency=point.concurrency,
        requests=point.concurrency * load.requests_per_client,
    )
    order = Order(
        version=load.version,
        transport=load.transport,
        case=case,
        seed=load.seed,
        target=Target(url=f"http://127.0.0.1:{port}", model="reference"),
        tokenizer=tokenizer,
        read_timeout_s=load.read_timeout,
        processes=None if load.processes == "auto" else load.processes,
    )
    with notes.scratch("calibrate") as scratch:
        home, raw = Path(scratch) / "server", Path(scratch) / "raw"
        record, log = home / "sent.jsonl", Path(scratch) / "load.log"
        for directory in (home, raw):
            packed.place(directory, packed.digest())
        times = ("--ttft", f"{point.ttft_s:.6f}", "--itl", f"{point.itl_s:.6f}")
        server = Program(
            name="reference",
            environment=sender,
            argv=(*packed.COMMAND, "reference", "--port", str(port), *times, "--record", str(record)),
        )
        argv = generator.argv(order)
        client = Program(
            name="load", environment=sender, argv=argv, env=generator.env(order), mounts=(Mount(path=tokenizer),)
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
            raise HostError(f"nothing can be said of {point.concurrency} clients: {problem}") from problem
