"""How far from the truth the load generator's figures are: evalscope as it comes beside kit's transport, in one run.

    .venv/bin/python -m benchmarks.load_error [--rounds 3] [--only 256:5ms] [--version 1.14.1] [--agreement | --all]

Both send the same load to the reference server, one after the other. The truth is what the server recorded: TTFT from the arrival of
a request to its first token given to the kernel, TPOT from the first token to the last, throughput from the arrival of the first request
to the last token. Errors are medians over the rounds; each round starts everything anew. The processor time is what the client used
between its first and its last request. Where the server could not keep its times itself, the row says so: it is a row about this
machine, not about a client. Nothing else should run here meanwhile.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kit import calibration, packed
from kit.host import LocalHost
from kit.loadgens import evalscope
from kit.model import Case, Length, Order, Target
from kit.model.profile import Transport
from kit.resources import cache, folder
from kit.runtimes.process import ProcessRuntime

TOKENS, INPUT = 128, 64
CONDITIONS = ("32:10ms", "64:10ms", "128:10ms", "256:10ms", "256:5ms", "512:5ms", "1024:50ms")
ORIGINAL = ("1:50ms", "4:50ms", "16:50ms")
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What one client said of one load, beside what is true."""

    error: calibration.Error
    cpu_ms_per_1000: float
    start_s: float
    peak_mib: float


class Clock(threading.Thread):
    """The processor time of a process and of all that it started, over time, and the memory that they hold at most."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        super().__init__(daemon=True)
        self.process = process
        self.seen: list[tuple[float, float]] = []
        self.peak_mib = 0.0

    def run(self) -> None:
        while self.process.poll() is None:
            at, used, held = time.monotonic(), 0.0, 0.0
            for home in self._homes(str(self.process.pid)):
                with suppress(OSError):
                    words = (home / "stat").read_text().rpartition(")")[2].split()
                    used += (int(words[11]) + int(words[12])) * TICK_S
                    held += int((home / "statm").read_text().split()[1]) * PAGE_MIB
            self.seen.append((at, used))
            self.peak_mib = max(self.peak_mib, held)
            time.sleep(0.05)

    def _homes(self, process: str) -> Iterator[Path]:
        home = Path("/proc") / process
        yield home
        with suppress(OSError):
            for child in (home / "task" / process / "children").read_text().split():
                yield from self._homes(child)

    def used_s(self, begin: float, end: float) -> float:
        inside = [value for at, value in self.seen if begin <= at <= end]
        return inside[-1] - inside[0] if len(inside) > 1 else float("nan")


def run(
    runtime: ProcessRuntime,
    version: str,
    transport: Transport,
    clients: int,
    itl: str,
    ttft: str,
    waves: int,
    tokens: int,
) -> Run:
    sender = runtime.pin("evalscope", version)
    server = runtime.pin("evalscope", "1.14.1")
    [tokenizer, *_] = sorted((cache() / "models").glob("llamacpp-*/tokenizer.json"))
    with tempfile.TemporaryDirectory(prefix="kit-bench-") as scratch:
        home = Path(scratch)
        port = next(port for port in range(18400, 18500) if LocalHost().port_is_free(port))
        raw, record = home / "raw", home / "sent.jsonl"
        packed.place(home, packed.digest())
        packed.place(raw, packed.digest())
        python = runtime.environments.path(server) / "bin" / "python"
        words = ["reference", "--port", str(port), "--ttft", ttft, "--itl", itl, "--record", str(record)]
        case = Case(
            input=Length.model_validate(INPUT), output=Length.model_validate(tokens), concurrency=clients,
            requests=clients * waves,
        )  # fmt: skip
        order = Order(
            version=version, transport=transport, case=case, seed=42, tokenizer=str(tokenizer.parent), read_timeout_s=120,
            target=Target(url=f"http://127.0.0.1:{port}", model="reference"),
        )  # fmt: skip
        argv = evalscope.argv(order)
        program = runtime.environments.path(sender) / "bin" / argv[0]
        with open(home / "log", "wb") as log, open(home / "server.log", "wb") as said:
            serving = subprocess.Popen([python, packed.FILE, *words], cwd=home, stdout=said, stderr=said)
            while LocalHost().port_is_free(port) and serving.poll() is None:
                time.sleep(0.05)
            began = time.monotonic()
            client = subprocess.Popen(
                [program, *argv[1:]], cwd=raw, stdout=log, stderr=log, env={**os.environ, **dict(evalscope.env(order))}
            )
            clock = Clock(client)
            clock.start()
            code = client.wait()
            clock.join()
            serving.terminate()
            serving.wait()
        if code:
            raise SystemExit((home / "log").read_text()[-3000:])
        samples = evalscope.read(raw, home / "log", order).samples
        true = calibration.truth(record.read_text("utf-8").splitlines())
        return Run(
            error=calibration.error(case, samples, true),
            cpu_ms_per_1000=clock.used_s(true.began_s, true.ended_s) * 1e6 / true.tokens,
            start_s=true.began_s - began,
            peak_mib=clock.peak_mib,
        )


def median(runs: Sequence[Run], name: str) -> float:
    found = calibration.over([one.error for one in runs], name)
    return found.median if found is not None else float("nan")


def row(what: str, who: str, runs: Sequence[Run]) -> str:
    errors = " | ".join(f"{median(runs, name):+.2%}" for name in calibration.METRICS)
    rest = [
        statistics.median(getattr(found, name) for found in runs) for name in ("cpu_ms_per_1000", "start_s", "peak_mib")
    ]
    late = statistics.median(found.error.late_p99_s * 1000 for found in runs)
    kept = f"{late:.2f} ms" if late <= 0.5 else f"**{late:.2f} ms**"
    return f"| {what} | {who} | {errors} | {rest[0]:.1f} | {rest[1]:.1f} | {rest[2]:.0f} | {kept} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", metavar="CLIENTS:ITL")
    parser.add_argument("--version", default="1.14.1", choices=("1.0.1", "1.14.1"))
    parser.add_argument("--waves", type=int, default=4, help="requests per client")
    parser.add_argument(
        "--nice", type=int, default=0, help="priority of server and clients alike, where other work goes on"
    )
    parser.add_argument("--agreement", action="store_true", help="the original's conditions: do both say the same?")
    parser.add_argument("--all", action="store_true", help="the table, and then the agreement")
    options = parser.parse_args()
    os.nice(options.nice)
    runtime = ProcessRuntime(folder("images"), cache())
    runtime.prepare(runtime.pin("evalscope", "1.14.1"), print)
    runtime.prepare(runtime.pin("evalscope", options.version), print)
    if not options.agreement:
        table(runtime, options, options.only or CONDITIONS, "100ms", agreement=False)
    if options.agreement or options.all:
        table(runtime, options, (options.only if options.agreement else None) or ORIGINAL, "2s", agreement=True)


def table(
    runtime: ProcessRuntime, options: argparse.Namespace, conditions: Sequence[str], ttft: str, *, agreement: bool
) -> None:
    tokens, waves = (32, 1) if agreement else (TOKENS, options.waves)
    print(
        f"evalscope {options.version}, TTFT {ttft}, {tokens} tokens, {waves} requests per client, median of {options.rounds}"
    )
    print(f"{os.cpu_count()} processors, load of the machine before: {os.getloadavg()[0]:.1f}\n")
    print(
        "| clients, ITL | client | TTFT | TTFT p99 | TPOT | latency | throughput | CPU ms per 1000 tokens | start s | MiB | server late p99 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for condition in conditions:
        clients, itl = condition.split(":")
        found: dict[Transport, list[Run]] = {"evalscope": [], "precise": []}
        for _ in range(options.rounds):
            for transport, runs in found.items():
                runs.append(run(runtime, options.version, transport, int(clients), itl, ttft, waves, tokens))
        for transport, runs in found.items():
            print(row(f"{clients}, {itl}", transport, runs), flush=True)
        plain, precise = found["evalscope"], found["precise"]
        if agreement:
            both = [
                statistics.median(
                    b.error.seen[name] / a.error.seen[name] - 1 for a, b in zip(plain, precise, strict=True)
                )
                for name in calibration.METRICS
            ]
            cells = " | ".join(f"{one:+.2%}" for one in both)
            print(f"| {clients}, {itl} | precise beside evalscope | {cells} | | | | |", flush=True)
        else:
            cpu = [statistics.median(one.cpu_ms_per_1000 for one in runs) for runs in (precise, plain)]
            errors = [abs(median(runs, "ttft")) for runs in (precise, plain)]
            ratio = f"{errors[0] / errors[1]:.3f} | | | | | {cpu[0] / cpu[1]:.2f}"
            print(f"| {clients}, {itl} | ratio precise / evalscope | {ratio} | | | |", flush=True)
    print(flush=True)


if __name__ == "__main__":
    main()
