"""How late requests are sent at high rates: kit's transport beside evalscope's own open loop, in one run.

    .venv/bin/python -m benchmarks.send_lateness [--rounds 3] [--only 500] [--nice 0]

Both send requests to the reference server, whose answers are short, by a schedule of their own that is made beforehand (Poisson).
When a request arrived is the server's record, by the kernel's stamp, whatever the server was doing. How late it was is what lies
between its time in the schedule and its arrival, less that of the request which was least late: that is the way to the server, and
for evalscope, which keeps no time at which its schedule begins, the beginning. Beside it stands what kit itself says (`sent_s` -
`scheduled_s`). The rate reached is that of the arrivals as a share of the schedule's. Figures are medians over the rounds; each
round starts everything anew. evalscope 1.14.1 runs as it comes, but that a line before its own notes what it drew for its schedule.
Nothing else should run here meanwhile.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from kit import calibration, packed, stats
from kit.formats import figure
from kit.host import LocalHost
from kit.instrument.arrivals import Clock
from kit.loadgens import evalscope
from kit.model import Case, Length, Order, Target
from kit.model.profile import Transport
from kit.model.rates import Rate
from kit.resources import cache, folder
from kit.runtimes.process import ProcessRuntime

VERSION = "1.14.1"
RATES = (100, 500, 1000, 2000)
TOKENS, INPUT, SEED = 2, 64, 42
FEWEST, SECONDS = 700, 4
"""As many requests as a p99 takes, and as are sent in so much time."""
DRAWN = "drawn.json"
NOTING = f"""
import json, sys
import numpy
draw = numpy.random.exponential
def noted(scale=1.0, size=None):
    found = draw(scale, size)
    with open({DRAWN!r}, "w") as file:
        json.dump(numpy.atleast_1d(found).tolist(), file)
    return found
numpy.random.exponential = noted
from evalscope.cli.cli import run_cmd
sys.argv[0] = "evalscope"
run_cmd()
"""


@dataclass(frozen=True)
class Sent:
    """One round of one client: how late requests arrived, what it says itself (none: it does not), and how late the server was."""

    late_s: Sequence[float]
    own_s: Sequence[float]
    reached: float
    server_late_p99_s: float


@contextmanager
def serving(python: Path, home: Path, port: int) -> Iterator[None]:
    """The reference server, whose record is `sent.jsonl` when it has ended."""
    packed.place(home, packed.digest())
    words = ["--port", str(port), "--ttft", "20ms", "--itl", "5ms", "--record", "sent.jsonl"]
    with open(home / "server.log", "wb") as said:
        server = subprocess.Popen([python, packed.FILE, "reference", *words], cwd=home, stdout=said, stderr=said)
        try:
            while LocalHost().port_is_free(port) and server.poll() is None:
                time.sleep(0.05)
            yield
        finally:
            server.terminate()
            server.wait()


def run(runtime: ProcessRuntime, transport: Transport, per_second: int) -> Sent:
    environment = runtime.environments.path(runtime.pin("evalscope", VERSION))
    python = environment / "bin" / "python"
    [tokenizer, *_] = sorted((cache() / "models").glob("llamacpp-*/tokenizer.json"))
    port = next(port for port in range(18400, 18500) if LocalHost().port_is_free(port))
    rate = Rate(per_second=per_second)
    case = Case(
        input=Length.model_validate(INPUT), output=Length.model_validate(TOKENS), concurrency=rate.connections,
        requests=max(FEWEST, SECONDS * per_second), rate=rate,
    )  # fmt: skip
    order = Order(
        version=VERSION, transport=transport, case=case, seed=SEED, tokenizer=str(tokenizer.parent), read_timeout_s=120,
        target=Target(url=f"http://127.0.0.1:{port}", model="reference"),
    )  # fmt: skip
    program, *words = evalscope.argv(order)
    argv = [str(environment / "bin" / program), *words]
    if transport == "evalscope":
        # Not the API that notes how each request ended, which costs it time.
        argv = [str(python), "-c", NOTING, *("openai" if word == "openai-noted" else word for word in words)]
    with tempfile.TemporaryDirectory(prefix="kit-bench-") as scratch:
        home, raw, log = Path(scratch), Path(scratch) / "raw", Path(scratch) / "log"
        packed.place(raw, packed.digest())
        with serving(python, home, port), open(log, "wb") as said:
            told = {**os.environ, **dict(evalscope.env(order))}
            if subprocess.run(argv, cwd=raw, stdout=said, stderr=said, env=told, check=False).returncode:
                raise SystemExit(log.read_text("utf-8", errors="replace")[-3000:])
        record = (home / "sent.jsonl").read_text("utf-8").splitlines()
        own: list[float] = []
        if transport == "precise":
            due = Clock(per_second, seed=SEED).times_s(case.requests)
            samples = evalscope.read(raw, log, order).samples
            pairs = [(one.sent_s, one.scheduled_s) for one in samples]
            own = [sent - at for sent, at in pairs if sent is not None and at is not None]
        else:
            due = scheduled(json.loads((raw / DRAWN).read_text("utf-8")), case.requests, per_second)
        return compared(record, due, own)


def scheduled(drawn: Sequence[float], requests: int, per_second: int) -> tuple[float, ...]:
    """evalscope's schedule of what it drew: stretched so that the last request is due at the mean rate."""
    at = tuple(accumulate(drawn))
    if len(at) != requests:
        raise SystemExit(f"evalscope drew {len(at)} times for {requests} requests")
    return tuple(one * requests / per_second / at[-1] for one in at)


def compared(record: Sequence[str], due: Sequence[float], own: Sequence[float]) -> Sent:
    """The arrivals beside the schedule, both in their order."""
    requests = [line for line in map(json.loads, record) if line["number"]]
    came = sorted(line["received_ns"] / 1e9 for line in requests)
    if len(came) != len(due):
        raise SystemExit(f"{len(came)} requests arrived of {len(due)}")
    after = [at - planned for at, planned in zip(came, due, strict=True)]
    return Sent(
        late_s=sorted(late - min(after) for late in after),
        own_s=sorted(own),
        reached=(due[-1] - due[0]) / (came[-1] - came[0]),
        server_late_p99_s=calibration.truth(record).late_p99_s,
    )


def row(per_second: int, client: str, rounds: Sequence[Sent]) -> str:
    def ms(values: Sequence[float]) -> str:
        return f"{figure(statistics.median(values) * 1000)} ms"

    late = [
        ms([statistics.fmean(found.late_s) for found in rounds]),
        ms([stats.percentile(found.late_s, 99) for found in rounds]),
        ms([found.late_s[-1] for found in rounds]),
    ]
    own = "—"
    if all(found.own_s for found in rounds):
        means, p99s = zip(
            *((statistics.fmean(found.own_s), stats.percentile(found.own_s, 99)) for found in rounds), strict=True
        )
        own = f"{ms(means)}, {ms(p99s)}"
    reached = statistics.median(found.reached for found in rounds)
    server = ms([found.server_late_p99_s for found in rounds])
    return f"| {per_second} | {client} | {' | '.join(late)} | {own} | {reached:.2%} | {server} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", type=int, metavar="PER_SECOND")
    parser.add_argument("--nice", type=int, default=0, help="priority of server and clients alike")
    options = parser.parse_args()
    os.nice(options.nice)
    runtime = ProcessRuntime(folder("images"), cache())
    runtime.prepare(runtime.pin("evalscope", VERSION), print)
    print(f"evalscope {VERSION}, TTFT 20 ms, {TOKENS} tokens, median of {options.rounds}")
    print(f"{os.cpu_count()} processors, load of the machine before: {os.getloadavg()[0]:.1f}\n")
    print("| per second | client | late, mean | p99 | most | it says: mean, p99 | rate reached | server late p99 |")
    print("|---|---|---|---|---|---|---|---|")
    clients: tuple[Transport, ...] = ("evalscope", "precise")
    for per_second in options.only or RATES:
        found: dict[Transport, list[Sent]] = {client: [] for client in clients}
        for _ in range(options.rounds):
            for client, rounds in found.items():
                rounds.append(run(runtime, client, per_second))
        for client, rounds in found.items():
            print(row(per_second, client, rounds), flush=True)


if __name__ == "__main__":
    main()
