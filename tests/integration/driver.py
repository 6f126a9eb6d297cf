"""Drives kit as its users do: the console script as a process of its own, with environments built once per machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kit import owners, resources
from kit.runtimes import marks

KIT = Path(sys.executable).with_name("kit")
PATIENCE_S = float(os.environ.get("KIT_TEST_PATIENCE_S", "240"))
"""Long after this a condition is taken as never to come: not a limit that anything is measured against."""


def shared_cache() -> Path:
    """Where tests keep environments and the made model: `$KIT_TEST_CACHE`, else kit's own cache on this machine."""
    own = os.environ.get("KIT_TEST_CACHE")
    return Path(own).absolute() if own else resources.cache()


def variables(cache: Path, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment of a kit under test: this one's without its settings for kit, and the changes (None: not set)."""
    found: dict[str, str | None] = {name: value for name, value in os.environ.items() if not name.startswith("KIT_")}
    # Each kit of a test is as if alone on its machine; those that are to meet share the name of one lock.
    found |= {"KIT_LOCK": f"kit-test-{uuid.uuid4()}"}
    found |= {"KIT_CACHE": str(cache), "TERM": "dumb", "COLUMNS": "200", **(changes or {})}
    return {name: value for name, value in found.items() if value is not None}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Done:
    """A finished kit."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


def await_true(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; a test that waits in vain says for what."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.02)


@dataclass
class Running:
    """A kit that goes on, printing events as JSON."""

    process: "subprocess.Popen[str]"
    identity: str
    events: list[dict[str, object]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _readers: list[threading.Thread] = field(default_factory=list)

    def watch(self) -> None:
        def out() -> None:
            for line in self.process.stdout or ():
                self.lines.append(line)
                self.events.append(json.loads(line))

        def err() -> None:
            self.errors.extend(self.process.stderr or ())

        for target in (out, err):
            reader = threading.Thread(target=target, daemon=True)
            reader.start()
            self._readers.append(reader)

    def event(self, kind: str, holding: str = "", count: int = 1) -> dict[str, object]:
        """The `count`-th event of a kind whose text holds something, awaited."""
        found: list[dict[str, object]] = []

        def there() -> bool:
            if self.process.poll() is not None:
                self.finish()
            found[:] = [event for event in self.events if event["kind"] == kind and holding in str(event.get("text"))]
            return len(found) >= count or (self.process.poll() is not None and self._over())

        await_true(there, f"event {kind} {holding!r}; so far: {self.events} {self.errors}")
        assert len(found) >= count, f"kit ended before {kind} {holding!r}: {self.events} {self.errors}"
        return found[count - 1]

    def _over(self) -> bool:
        return not any(reader.is_alive() for reader in self._readers)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def finish(self) -> Done:
        code = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return Done(code, "".join(self.lines), "".join(self.errors))

    def programs(self) -> list[int]:
        """What this kit started and still runs, by the mark that each carries; after the kit's end too."""
        return programs_of(self.identity)


def programs_of(identity: str) -> list[int]:
    """The running processes whose mark says that this kit started them."""
    wanted = f"{marks.MARK}={identity}.".encode()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if wanted in (entry / "environ").read_bytes():
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX":
                    found.append(int(entry.name))
    return found


@dataclass(frozen=True)
class Kit:
    """The command `kit` in a directory of its own, with a cache."""

    home: Path
    cache: Path

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str | None] | None = None,
        prefix: Sequence[str] = (),
        patience_s: float = PATIENCE_S,
    ) -> Done:
        done = subprocess.run(
            [*prefix, str(KIT), *arguments],
            cwd=self.home,
            env=variables(self.cache, env),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=patience_s,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def start(self, *arguments: str, env: Mapping[str, str | None] | None = None) -> Iterator[Running]:
        """A kit with `--json`; killed with all it started where the test leaves it running."""
        with subprocess.Popen(
            [str(KIT), *arguments, "--json"],
            cwd=self.home,
            env=variables(self.cache, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            running = Running(process, owners.identity(process.pid))
            running.watch()
            try:
                yield running
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                marks.end(running.programs())
                running.finish()

    @property
    def runs(self) -> list[Path]:
        """The run directories, oldest first."""
        base = self.home / "runs"
        return sorted(base.iterdir()) if base.is_dir() else []

    @property
    def the_run(self) -> Path:
        (only,) = self.runs
        return only
