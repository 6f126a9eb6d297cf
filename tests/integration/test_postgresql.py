"""The index of runs on a real PostgreSQL, started here in a directory of its own, on a socket, as a user who is not root."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from kit.model.listed import Filters
from kit.workflows import finding
from tests.conftest import REQUIRED
from tests.unit.planted import planted, with_accelerators

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
PROGRAMS = FOUND[-1].parent if FOUND else None
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROGRAMS is None and "postgresql" not in REQUIRED, reason="postgresql is not installed"),
    pytest.mark.xdist_group("postgresql"),
]
ONE = "    - {input: 128, output: 512, concurrency: [1, 2]}\n"


def _run(home: Path, *words: str | Path, as_nobody: bool) -> None:
    user = pwd.getpwnam("nobody")
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=home,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        user=user.pw_uid if as_nobody else None,
        group=user.pw_gid if as_nobody else None,
        extra_groups=[] if as_nobody else None,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an empty database."""
    assert PROGRAMS is not None, "KIT_REQUIRE names postgresql, and it is not installed"
    root = os.geteuid() == 0
    # Not pytest's own directory: it is closed to others, and a socket's path must be short.
    home = Path(tempfile.mkdtemp(prefix="kit-pg-"))
    try:
        if root:
            nobody = pwd.getpwnam("nobody")
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
        data = home / "data"
        _run(home, PROGRAMS / "initdb", "-D", data, "-U", "kit", "-A", "trust", "--no-sync", as_nobody=root)
        options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
        started: Sequence[str | Path] = (
            PROGRAMS / "pg_ctl",
            "-D",
            data,
            "-l",
            home / "log",
            "-o",
            options,
            "-w",
            "start",
        )
        _run(home, *started, as_nobody=root)
        try:
            yield f"postgresql+psycopg://kit@/postgres?host={home}"
        finally:
            _run(home, PROGRAMS / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", as_nobody=root)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_a_team_shares_an_index(server: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with_accelerators(planted(first, "a", 1, cases=ONE), 2)
    planted(second, "b", 2, cases=ONE, engine="0.5.4", faster=0.2)
    assert len(finding.runs(first, server, Filters()).runs) == 1
    both = finding.runs(second, server, Filters())
    assert {run.run[-1] for run in both.runs} == {"a", "b"}
    assert both.told == ()
    assert [run.run[-1] for run in finding.runs(first, server, Filters(accelerator="910B4")).runs] == ["a"]
    assert [run.run[-1] for run in finding.runs(first, server, Filters(engine="0.5.4")).runs] == ["b"]
    for wanted, names in (
        (Filters(model="deepseek"), {"a", "b"}),
        (Filters(model="%"), set()),
        (Filters(verdict="none"), {"a", "b"}),
        (Filters(verdict="met"), set()),
        (Filters(since=datetime(2026, 11, 23, tzinfo=UTC)), {"a", "b"}),
        (Filters(since=datetime(2026, 11, 24, tzinfo=UTC)), set()),
        (Filters(model="r1", engine="SGLANG", accelerator="910b", verdict="none"), {"a"}),
    ):
        assert {run.run[-1] for run in finding.runs(first, server, wanted).runs} == names, wanted
    # What SQLite says of the same runs.
    apart = [finding.runs(folder, None, Filters()).runs[0] for folder in (first, second)]
    assert sorted(both.runs, key=lambda run: run.run) == apart
    found = finding.over_time(second, server, Filters(), "128-512-c2", "output_throughput")
    assert [point.run.run[-1] for point in found.points] == ["a", "b"]
    assert found.points[1].change == "better"


def test_it_is_made_anew_and_follows_the_directories(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    planted(folder, "c", 3, cases=ONE)
    before = finding.runs(folder, server, Filters())
    assert finding.runs(folder, server, Filters(), rebuild=True) == before
    planted(folder, "d", 4, cases=ONE)
    assert {"20261123-210507-c", "20261123-210507-d"} <= {r.run for r in finding.runs(folder, server, Filters()).runs}
    shutil.rmtree(folder / "20261123-210507-c")
    assert "20261123-210507-c" not in [run.run for run in finding.runs(folder, server, Filters()).runs]


def test_several_kits_may_bring_it_up_to_date_at_once(server: str, tmp_path: Path) -> None:
    """Each with connections of its own; the tables may have to be made, too."""
    folder = tmp_path / "runs"
    planted(folder, "e", 5, cases=ONE)
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS kit_figures, kit_runs"))
    engine.dispose()
    together = threading.Barrier(4)

    def listed() -> set[str]:
        together.wait()
        return {run.run for run in finding.runs(folder, server, Filters()).runs}

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(listed) for _ in range(4)]
        assert [one.result() for one in found] == [{"20261123-210507-e"}] * 4
