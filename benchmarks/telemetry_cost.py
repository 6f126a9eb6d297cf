"""What sampling costs: processor time of kit's sampler, and of the tool that it starts, in percent of one core.

    .venv/bin/python -m benchmarks.telemetry_cost [--seconds 60] [--cpus 256]

The accelerators' tool is a stand-in that prints what the real one prints: what the vendor's own tool costs comes on top, and is
shown by `time npu-smi info` on the machine itself. The kernel's counters are real, with as many processors as asked for.
"""

import argparse
import os
import resource
import stat
import sys
import tempfile
import time
from pathlib import Path

from kit import plan as plans
from kit import profile as profiles
from kit.host import LocalHost
from kit.telemetry import Sampler
from tests import ascend_host
from tests.fakes import FakeRuntime


class Large(LocalHost):
    """This machine, with the counters of more processors."""

    def __init__(self, cpus: int) -> None:
        row = " 4705 0 3127 1190232 1200 90 12 0 0 0\n"
        self._stat = "cpu  1 2 3 4 5 6 7 8 9 0\n" + "".join(f"cpu{number}{row}" for number in range(cpus))

    def read(self, path: str) -> str:
        return self._stat if path == "/proc/stat" else super().read(path)


def used() -> tuple[float, float]:
    """Seconds of processor time of this process, and of those that it started and that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


def main() -> None:
    """Sample for a while, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cpus", type=int, default=256)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tool = Path(folder) / "npu-smi"
        tool.write_text("#!/bin/sh\ncat <<'END'\n" + ascend_host.npu_info() + "END\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
        loaded = profiles.load("ascend-910b4x2-deepseek-r1-w8a8")
        fake = FakeRuntime()
        plan = plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime="docker",
            pin=fake.pin,
            models=Path(folder),
            version=fake.version,
            inventory=ascend_host.inventory(),
        )
        sampler = Sampler(plan, Large(options.cpus))
        sampler.begin(plan.rounds[0].program)
        began, (own, children) = time.monotonic(), used()
        with sampler.running():
            time.sleep(options.seconds)
        wall = time.monotonic() - began
        own, children = (now - before for now, before in zip(used(), (own, children), strict=True))
    ticks = sampler.end()
    processes = sum(name.isdigit() for name in os.listdir("/proc"))
    sys.stdout.write(
        f"{len(ticks)} readings in {wall:.0f} s, {options.cpus} processors, {processes} processes: sampler "
        f"{100 * own / wall:.2f} %, starting the tool {100 * children / wall:.2f} % of one core\n"
    )


if __name__ == "__main__":
    main()
