"""What all tests share: what this machine has, and a closing line that says what was skipped and why.

`KIT_REQUIRE=docker,arm64` turns a skip for want of these into a failure.
"""

import os
import shutil
import subprocess
from collections import Counter
from functools import cache

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("KIT_REQUIRE", "").split(",")))


@cache
def missing(what: str) -> str | None:
    """Why this machine cannot run tests that need `what`, or None where it can."""
    if what == "docker":
        return _docker()
    if what == "arm64":
        handler = "/proc/sys/fs/binfmt_misc/qemu-aarch64"
        emulated = os.uname().machine == "aarch64" or os.path.exists(handler)
        return _docker() or (None if emulated else "programs for aarch64 cannot run here (qemu-user-static)")
    raise ValueError(what)


def _docker() -> str | None:
    if shutil.which("docker") is None:
        return "docker is not installed"
    done = subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False)
    return None if done.returncode == 0 else "no Docker engine answers"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for what in ("arm64", "docker"):
            if item.get_closest_marker(what) is None:
                continue
            reason = missing(what)
            if reason is not None and what not in REQUIRED:
                item.add_marker(pytest.mark.skip(reason=reason))
                break


@pytest.fixture(autouse=True)
def _required_is_there(request: pytest.FixtureRequest) -> None:
    """A test that needs what was promised to be here fails when it is not."""
    for what in REQUIRED:
        if request.node.get_closest_marker(what) is not None and (reason := missing(what)) is not None:
            pytest.fail(f"KIT_REQUIRE names {what}, but {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons: Counter[str] = Counter()
    for report in terminalreporter.getreports("skipped"):
        if isinstance(report.longrepr, tuple):
            reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    told = "; ".join(f"{count} because {reason}" for reason, count in sorted(reasons.items()))
    terminalreporter.write_line(f"skipped: {told or 'nothing'}")
