"""Runs kit again and again and kills it at one point after the other; prints one JSON line per point with what went wrong.

    python -m tests.faults.killing HOME SIGNAL FIRST STEP [containers]

A point lies before and after each write that is made durable, each file that gets its name, and each program that is started;
with containers, right after each request that changes something in the Docker engine.
The hooks are in this process alone: everything is imported once, and each kit is a fork of it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from docker.api.client import APIClient

from kit import inventory, signals
from kit.errors import KitError
from kit.host import LocalHost
from kit.running import leftovers
from kit.runtimes import docker as docker_runtime
from kit.store import RunDir
from kit.workflows import running
from tests.faults.bench import Bench, finished, nothing_left, processes
from tests.faults.contained import Contained, left_in_engine, reference

P = ParamSpec("P")
R = TypeVar("R")
ROUNDS = ["10-8-c1/round-1", "10-8-c1/round-2"]
PATIENCE_S = 120.0


class Points:
    """Counts what happens in this process, and sends it a signal at the point that is wanted."""

    def __init__(self, wanted: int, number: int) -> None:
        self._wanted = wanted
        self._number = number
        self.passed = 0

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self._wanted:
            os.kill(os.getpid(), self._number)

    def around(self, call: Callable[P, R]) -> Callable[P, R]:
        def inner(*arguments: P.args, **named: P.kwargs) -> R:
            self()
            result = call(*arguments, **named)
            self()
            return result

        return inner

    def behind(self, call: Callable[P, R]) -> Callable[P, R]:
        def inner(*arguments: P.args, **named: P.kwargs) -> R:
            result = call(*arguments, **named)
            self()
            return result

        return inner

    def install(self, *, containers: bool) -> None:
        if containers:
            for name in ("_post", "_delete"):
                setattr(APIClient, name, self.behind(getattr(APIClient, name)))
            return
        for name in ("fsync", "link", "replace", "rename", "symlink"):
            setattr(os, name, self.around(getattr(os, name)))
        started = self.around(subprocess.Popen.__init__)
        setattr(subprocess.Popen, "__init__", started)  # noqa: B010  (the type checker knows no other way)


def forked(work: Callable[[], int], log: Path) -> int:
    """How a fork of this process ends that does some work; a signal counts as its negative number."""
    child = os.fork()
    if child == 0:
        with open(log, "ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            code = 1
            try:
                code = work()
            except KitError as error:
                file.write(f"kit: {error}\n".encode())
                code = error.exit_code
            except KeyboardInterrupt:
                code = 130
            except BaseException:  # noqa: BLE001  (this is the end of the process)
                traceback.print_exc(file=sys.stderr)
                sys.stderr.flush()
            finally:
                os._exit(code)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        pid, state = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(state)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 124


class Sweep:
    """One kit after the other on one bench."""

    def __init__(self, home: Path, number: int, *, containers: bool) -> None:
        os.environ["KIT_CACHE"] = str(home / "cache")
        self.number = number
        self.containers = containers
        collected = inventory.collect(LocalHost())
        self.bench = Contained(home, collected=collected) if containers else Bench(home, collected=collected)
        os.environ.update(self.bench.variables())
        vars(inventory)["collect"] = lambda _: collected
        self.log = home / "log"
        if isinstance(self.bench, Contained):
            vars(docker_runtime)["reference"] = reference
            self.prepared = self.bench.contained()
        else:
            self.prepared = self.bench.plan()

    def points(self) -> int:
        """How many points an undisturbed run has; it also makes what is made once."""
        told = self.bench.home / "points"
        for _ in range(1 if self.containers else 2):
            self._forget()
            assert forked(lambda: self._run(0, told), self.log) == 0, self.log.read_text()
        self._require_whole()
        return int(told.read_text())

    def at(self, point: int) -> list[str]:
        """What is wrong after a kit was ended at a point, after the next command, and after going on with the run."""
        self._forget()
        code = forked(lambda: self._run(point, None), self.log)
        wrong: list[str] = []
        gentle = self.number != signal.SIGKILL
        if gentle and code not in (0, 130):
            wrong.append(f"it ended with {code}")
        if gentle:
            wrong += [f"right after its end: process {pid}" for pid in processes(self.bench.home)]
            wrong += [f"right after its end: {name}" for name in self._in_engine()]
        elif code != -signal.SIGKILL:
            wrong.append(f"it was not killed: {code}")
        before = [name for run in self.bench.runs for name in finished(run)]
        if code := forked(self._next_command, self.log):
            wrong.append(f"the next command ended with {code}")
        wrong += nothing_left(self.bench) + self._in_engine()
        for run in self.bench.runs:
            status = run.status()
            whole = finished(run) == ROUNDS and status.status == "complete"
            if not whole and not (status.status == "interrupted" and status.reason):
                wrong.append(f"run.json says {status.status}: {status.reason}")
            if status.status == "interrupted" and status.rounds_done != len(finished(run)):
                wrong.append(f"run.json counts {status.rounds_done} rounds, and {finished(run)} are there")
        if code := forked(self._go_on, self.log):
            wrong.append(f"going on ended with {code}")
        if before != ROUNDS[: len(before)]:
            wrong.append(f"rounds before: {before}")
        try:
            self._require_whole()
        except (AssertionError, KitError, ValueError) as error:
            wrong.append(f"after going on: {error}")
        return wrong + nothing_left(self.bench) + self._in_engine()

    def _in_engine(self) -> list[str]:
        return left_in_engine() if self.containers else []

    def _run(self, point: int, told: Path | None) -> int:
        for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(name, signals.interrupt)
        points = Points(point, self.number)
        points.install(containers=self.containers)
        self.bench.run(self.prepared)
        if told is not None:
            told.write_text(str(points.passed))
        return 0

    def _next_command(self) -> int:
        leftovers.sweep()
        return 0

    def _go_on(self) -> int:
        unfinished = [run for run in self.bench.runs if run.status().status != "complete"]
        if unfinished:
            self.bench.resume()
        elif not self.bench.runs:
            self.bench.run(self.prepared)
        else:
            running.write_report(RunDir(self.bench.the_run.path), ("md",))
        return 0

    def _forget(self) -> None:
        if self.bench.out.exists():
            shutil.rmtree(self.bench.out)
        for kind in ("server", "load"):
            for path in self.bench.home.glob(f"{kind}-*"):
                path.unlink()

    def _require_whole(self) -> None:
        run = self.bench.the_run
        assert finished(run) == ROUNDS, f"the rounds are {finished(run)}"
        assert run.status().status == "complete", f"the run is {run.status().status}"
        assert (run.path / "report" / "report.md").is_file(), "there is no report"


def main() -> None:
    home, number, first, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    sweep = Sweep(home, number, containers=sys.argv[5:] == ["containers"])
    total = sweep.points()
    print(json.dumps({"total": total}), flush=True)
    for point in range(first, total + 1, step):
        print(json.dumps({"point": point, "wrong": sweep.at(point)}), flush=True)


if __name__ == "__main__":
    main()
