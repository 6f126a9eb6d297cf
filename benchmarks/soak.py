"""Whether kit stays as it was: rounds back to back against the reference server, with its memory, descriptors, threads and files.

python -m benchmarks.soak [--rounds 500] [--containers]
"""

import argparse
import gc
import os
import sys
import tempfile
import threading
from pathlib import Path

from kit.events import Seen
from kit.model import Environment
from kit.resources import cache, folder
from kit.running.beginning import Prepared
from kit.runtimes import docker as docker_runtime
from kit.runtimes import environments, marks
from kit.runtimes.process import ProcessRuntime
from kit.workflows import running
from tests.faults.bench import Bench, finished, light, nothing_left
from tests.faults.contained import Contained, left_in_engine, reference
from tests.integration.driver import programs_of

PROFILE = """\
schema: 1
name: soak
server:
  engine: reference
  image: evalscope/1.0.1
  port: {port}
  args: [[--port, "{{port}}"], [--model, "{model}"], [--ttft, 5ms], [--itl, 1ms]]
  stall_limit: {stall}s
  restart: {restart}
load:
  rounds: {rounds}
  tokenizer: TOKENIZER
  transport: evalscope
  cases: [{{input: 10, output: 8, concurrency: [1]}}]
"""


def environment() -> tuple[Environment, Path]:
    """The load generator's real environment, made where it is not there yet, and its Python, which the reference server needs."""
    runtime = ProcessRuntime(folder("images"), cache())
    found = runtime.pin("evalscope", "1.0.1")
    runtime.prepare(found, lambda text: print(text, file=sys.stderr))
    return found, runtime.environments.path(found) / "bin" / "python"


def figures(bench: Bench) -> tuple[float, int, int, int, int, int]:
    """Resident MiB, descriptors, threads, programs, containers and networks, and temporary files now."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
    unfinished = len(list(bench.out.rglob(".*.part"))) + len(list((bench.home / "tmp").iterdir()))
    return (
        resident,
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        len(programs_of(marks.identity(os.getpid()))),
        len(left_in_engine()) if isinstance(bench, Contained) else 0,
        unfinished,
    )


def in_processes(home: Path, rounds: int) -> tuple[Bench, Prepared]:
    """The reference server, and the tiny load generator of the tests."""
    found, python = environment()
    os.environ["KIT_CACHE"] = str(home / "cache")
    bench = Bench(home)
    os.environ.update(bench.variables())
    own = ProcessRuntime(folder("images"), bench.cache).environments.path(found)
    script = own / "bin" / "python"
    script.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    script.chmod(0o755)
    environments._seal(own)
    tokenizer = home / "tokenizer"
    tokenizer.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tokenizer / name).write_text('{"chat_template": "{{ messages }}"}')
    return bench, bench.plan(rounds=rounds, profile=PROFILE.replace("TOKENIZER", str(tokenizer)))


def in_containers(home: Path, rounds: int) -> tuple[Bench, Prepared]:
    """The tiny engine and load generator of the tests, each in a container of its own."""
    vars(docker_runtime)["reference"] = reference
    os.environ["KIT_CACHE"] = str(home / "cache")
    bench = Contained(home)
    os.environ.update(bench.variables())
    return bench, bench.contained(rounds=rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--containers", action="store_true", help="rounds in containers instead of processes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as home:
        made = in_containers if options.containers else in_processes
        bench, prepared = made(Path(home), options.rounds)
        tempfile.tempdir = None
        print("| round | memory, MiB | descriptors | threads | programs | containers, networks | temporary files |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        done = 0

        def observe(seen: Seen) -> None:
            nonlocal done
            if seen.event.kind != "round-end":
                return
            done += 1
            if done == 1 or done % max(1, options.rounds // 10) == 0:
                gc.collect()
                memory, *others = figures(bench)
                print(f"| {done} | {memory:.1f} | {' | '.join(map(str, others))} |", flush=True)

        running.run(prepared, observe, write=light)
        assert len(finished(bench.the_run)) == options.rounds
        assert nothing_left(bench) == []
        assert not isinstance(bench, Contained) or left_in_engine() == []


if __name__ == "__main__":
    main()
