"""Whether kit stays as it was: rounds back to back against the reference server, with its memory, descriptors, threads and files.

python -m benchmarks.soak [--rounds 500]
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
from kit.runtimes import environments, marks
from kit.runtimes.process import ProcessRuntime
from kit.workflows import running
from tests.faults.bench import Bench, finished, light, nothing_left
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


def figures(bench: Bench) -> tuple[float, int, int, int, int]:
    """Resident MiB, descriptors, threads, programs, and temporary files now."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
    unfinished = len(list(bench.out.rglob(".*.part"))) + len(list((bench.home / "tmp").iterdir()))
    return (
        resident,
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        len(programs_of(marks.identity(os.getpid()))),
        unfinished,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    rounds = parser.parse_args().rounds
    found, python = environment()
    with tempfile.TemporaryDirectory(prefix="soak-") as home:
        os.environ["KIT_CACHE"] = str(Path(home) / "cache")
        bench = Bench(Path(home))
        os.environ.update(bench.variables())
        own = ProcessRuntime(folder("images"), bench.cache).environments.path(found)
        script = own / "bin" / "python"
        script.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
        script.chmod(0o755)
        environments._seal(own)
        tokenizer = Path(home) / "tokenizer"
        tokenizer.mkdir()
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (tokenizer / name).write_text('{"chat_template": "{{ messages }}"}')
        tempfile.tempdir = None
        print("| round | memory, MiB | descriptors | threads | programs | temporary files |")
        print("| --- | --- | --- | --- | --- | --- |")
        done = 0

        def observe(seen: Seen) -> None:
            nonlocal done
            if seen.event.kind != "round-end":
                return
            done += 1
            if done == 1 or done % max(1, rounds // 10) == 0:
                gc.collect()
                memory, descriptors, threads, programs, files = figures(bench)
                print(f"| {done} | {memory:.1f} | {descriptors} | {threads} | {programs} | {files} |", flush=True)

        running.run(
            bench.plan(rounds=rounds, profile=PROFILE.replace("TOKENIZER", str(tokenizer))), observe, write=light
        )
        assert len(finished(bench.the_run)) == rounds
        assert nothing_left(bench) == []


if __name__ == "__main__":
    main()
