"""Whether kit stays as it was: rounds back to back against a fast server, with its memory, descriptors, threads and files.

python -m benchmarks.soak [--rounds 500]
"""

import argparse
import gc
import os
import tempfile
import threading
from pathlib import Path

from kit.events import Seen
from tests.faults.bench import Bench, finished, light, nothing_left, processes


def figures(bench: Bench) -> tuple[float, int, int, int, int]:
    """Resident MiB, descriptors, threads, programs, and temporary files now."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
    unfinished = len(list(bench.out.rglob(".*.part"))) + len(list((bench.home / "tmp").iterdir()))
    return resident, len(os.listdir("/proc/self/fd")), threading.active_count(), len(processes(bench.home)), unfinished


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="soak-") as home:
        os.environ["KIT_CACHE"] = str(Path(home) / "cache")
        bench = Bench(Path(home))
        os.environ.update(bench.variables())
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

        from kit.workflows import running

        running.run(bench.plan(rounds=rounds), observe, write=light)
        assert len(finished(bench.the_run)) == rounds
        assert nothing_left(bench) == []


if __name__ == "__main__":
    main()
