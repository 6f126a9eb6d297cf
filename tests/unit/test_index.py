"""The index of runs on SQLite: what is found, that it follows the directories, and what a trend calls a change."""

import json
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kit import addresses, trend
from kit.cli.app import app
from kit.errors import HostError, UsageError
from kit.index import Index, place_of
from kit.model import RoundResult, ServerStart, Spread
from kit.model.bundle import WeightFile, Weights
from kit.model.listed import Filters, Found
from kit.report import reading as reports
from kit.store import RunDir
from kit.workflows import finding
from tests.unit.planted import planted, with_accelerators
from tests.unit.test_servertimes import CALIBRATION

ONE = "    - {input: 128, output: 512, concurrency: [1, 2]}\n"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "runs"
    with_accelerators(planted(out, "a", 1, cases=ONE), 2)
    planted(out, "b", 2, "report.model_label=Qwen3-32B", cases=ONE, engine="0.5.4")
    shutil.rmtree(out / "a-parts")
    shutil.rmtree(out / "b-parts")
    return out


def names(folder: Path, **wanted: object) -> list[str]:
    found = finding.runs(folder, None, Filters(**wanted))  # type: ignore[arg-type]
    return [run.run.rpartition("-")[2] for run in found.runs]


def test_runs_are_found_by_what_they_are(folder: Path) -> None:
    assert names(folder) == ["b", "a"]
    assert names(folder, model="qwen") == ["b"]
    assert names(folder, accelerator="910b4") == ["a"]
    assert names(folder, engine="SGLANG") == ["b", "a"]
    assert names(folder, engine="0.5.4") == ["b"]
    assert names(folder, verdict="none") == ["b", "a"]
    assert names(folder, verdict="met") == []
    assert names(folder, since=datetime(2026, 11, 23, tzinfo=UTC)) == ["b", "a"]
    assert names(folder, since=NOW) == []
    assert names(folder, model="%") == []
    with pytest.raises(UsageError, match="no verdict 'good'"):
        names(folder, verdict="good")


def test_dates_are_days_or_ages() -> None:
    assert finding.since("30d", NOW) == NOW - timedelta(days=30)
    assert finding.since("2026-11-01T00:00:00+08:00", NOW) == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert finding.since(None, NOW) is None
    with pytest.raises(UsageError, match="no date"):
        finding.since("yesterday", NOW)


def test_the_index_follows_the_directories(folder: Path) -> None:
    assert len(names(folder)) == 2
    assert sorted(path.name[-1] for path in folder.iterdir()) == ["a", "b"]  # nothing of the index beside the runs
    shutil.rmtree(next(folder.glob("*-b")))
    assert names(folder) == ["a"]
    run = next(folder.glob("*-a"))
    status = (run / "run.json").read_text()
    (run / "run.json").write_text(status.replace('"complete"', '"interrupted"').replace("21:05", "21:06"))
    found = finding.runs(folder, None, Filters())
    assert [entry.status for entry in found.runs] == ["interrupted"]


def test_the_rounds_of_a_run_that_goes_on_are_counted_when_they_are_asked_for(folder: Path) -> None:
    run = next(folder.glob("*-a"))
    done = len(list(run.glob("cases/*/round-*/result.json")))
    status = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**status, "status": "running", "rounds_done": 0}))
    counted = {entry.run: entry.rounds_done for entry in finding.runs(folder, None, Filters()).runs}
    assert counted[run.name] == reports.read(RunDir(run)).status.rounds_done == done > 1
    shutil.rmtree(next(run.glob("cases/*/round-*")))
    counted = {entry.run: entry.rounds_done for entry in finding.runs(folder, None, Filters()).runs}
    assert counted[run.name] == done - 1


def test_an_index_made_anew_says_the_same(folder: Path) -> None:
    before = finding.runs(folder, None, Filters())
    assert finding.runs(folder, None, Filters(), rebuild=True) == before
    path = place_of(folder)
    assert path is not None
    path.unlink()
    assert finding.runs(folder, None, Filters()) == before


def test_a_damaged_run_is_told_and_hides_no_other(folder: Path) -> None:
    (next(folder.glob("*-a")) / "plan.json").write_text("{}")
    found = finding.runs(folder, None, Filters())
    assert [run.run[-1] for run in found.runs] == ["b"]
    assert len(found.told) == 1
    assert "plan.json is not what kit wrote" in found.told[0]


def test_the_runs_of_other_places_stay(folder: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'team.db'}"
    finding.runs(folder, url, Filters())
    other = tmp_path / "elsewhere"
    planted(other, "c", 3, cases=ONE)
    assert len(finding.runs(other, url, Filters()).runs) == 3
    shutil.rmtree(other / "20261123-210507-c")
    assert len(finding.runs(other, url, Filters()).runs) == 2


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://u:a@Canary@host/db",
        "postgresql+psycopg://u:Canary/x@host/db",
        "postgresql+psycopg://u:1/Canary@host/db",
        "postgresql+psycopg://u:Canary?x@host/db",
        "postgresql+psycopg://me@Canary:pw@host/db",
        "postgresql+psycopg://u:Canary@host:port/db",
        "postgresql+psycopg://host:port/db",
    ],
)
def test_an_address_that_may_be_read_in_two_ways_is_refused_and_not_told(address: str, folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Index(address, folder)
    assert "in a password write %40 for @" in str(caught.value)
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:a%40b:c%2F@[::1]:5432/db?sslmode=require&x=a@b",
        "postgresql+psycopg://host/db",
        "postgresql+psycopg:///db",
        "sqlite:///runs@home.db",
        "sqlite://",
    ],
)
def test_any_other_address_is_taken_as_it_is(address: str) -> None:
    assert addresses.plain(address) == address


@pytest.mark.parametrize(
    ("address", "told"), [("nosuch://u:Canary@host/db", "'nosuch://***@host/db'"), ("u:Canary@host", "'***@host'")]
)
def test_an_address_of_no_index_is_told_without_its_password(address: str, told: str, folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Index(address, folder)
    assert str(caught.value).startswith(f"{told} is no index")


def test_an_index_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no index"):
        Index("nothing", folder)
    (tmp_path / "text.db").write_text("not a database, but a text that is long enough to be read as one")
    with pytest.raises(HostError, match="cannot be used"):
        Index(f"sqlite:///{tmp_path / 'text.db'}", folder)


@pytest.mark.parametrize("damage", ["text", "cut", "another"])
def test_an_own_index_that_is_damaged_is_made_anew(folder: Path, damage: str) -> None:
    before = finding.runs(folder, None, Filters())
    path = place_of(folder)
    assert path is not None
    content = path.read_bytes()
    if damage == "text":
        path.write_text("not a database, but a text that is long enough to be read as one" * 20)
    elif damage == "cut":
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    else:
        path.unlink()
        with sqlite3.connect(path) as made:
            made.execute("create table kit_runs (id text)")
            made.execute("create table kit_figures (id text)")
        made.close()
    assert finding.runs(folder, None, Filters()) == before
    assert finding.runs(folder, None, Filters(), rebuild=True) == before


def test_a_teams_index_that_is_damaged_is_left_alone(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    path.write_text("somebody else's file")
    with pytest.raises(HostError, match="cannot be used"):
        finding.runs(folder, f"sqlite:///{path}", Filters())
    assert path.read_text() == "somebody else's file"


def test_several_kits_may_bring_it_up_to_date_at_once(folder: Path) -> None:
    """Each with an engine of its own, as each process has."""
    together = threading.Barrier(4)

    def listed() -> list[str]:
        together.wait()
        return names(folder)

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(listed) for _ in range(4)]
        assert [one.result() for one in found] == [["b", "a"]] * 4


def test_a_folder_without_runs_is_an_empty_list(tmp_path: Path) -> None:
    assert names(tmp_path / "none") == []


# --- trends ------------------------------------------------------------------------------------------------------


def at(day: int) -> Found:
    return Found(
        run=f"r{day}", place="m:/", profile="p", status="complete", started=NOW + timedelta(days=day), duration_s=1.0,
        rounds_done=3, rounds_planned=3, model="m", accelerator=None, accelerators=None, hardware=None, engine=None,
        verdict="none", load="same",
    )  # fmt: skip


def days(values: list[float], seed: int, between: float = 0.003) -> list[tuple[float, ...]]:
    rng = np.random.default_rng(seed)
    return [tuple(float(x) for x in v * np.exp(rng.normal(0, between) + rng.normal(0, 0.01, 3))) for v in values]


def test_a_step_is_marked_once_and_nothing_else() -> None:
    hits = 0
    for seed in range(20):
        values = [20.0] * 6 + [22.0] * 6
        points = trend.of([at(day) for day in range(12)], days(values, seed), "output_throughput")
        hits += [number for number, point in enumerate(points) if point.change == "better"] == [6]
        assert points[0].change == "first"
    assert hits >= 19


def test_days_that_differ_more_than_their_rounds_are_no_change() -> None:
    quiet = 0
    for seed in range(20):
        rounds = days([20.0] * 12, seed, between=0.01)
        points = trend.of([at(day) for day in range(12)], rounds, "latency")
        quiet += all(point.change in ("first", "none") for point in points)
    assert quiet >= 18


def test_more_time_is_worse_and_single_rounds_cannot_tell() -> None:
    points = trend.of([at(0), at(1)], [(1.0, 1.001, 0.999), (2.0, 2.001, 1.999)], "ttft")
    assert points[1].change == "worse"
    assert points[1].ratio == pytest.approx(2, rel=1e-3)
    assert [p.change for p in trend.of([at(0), at(1)], [(1.0,), (2.0,)], "ttft")] == ["first", "unknown"]


def test_what_the_instruments_may_make_is_no_change() -> None:
    rounds = [(1.0, 1.001, 0.999), (1.02, 1.021, 1.019), (1.1, 1.101, 1.099), (1.12, 1.121, 1.119)]
    runs = [at(day) for day in range(4)]
    points = trend.of(runs, rounds, "ttft", (0.015, 0.006, 0.015, 0.0))
    assert [point.change for point in points] == ["first", "instrument", "worse", "worse"]
    assert [point.change for point in trend.of(runs, rounds, "ttft")] == ["first", *("worse",) * 3]


def test_runs_of_other_weights_are_in_no_trend(tmp_path: Path) -> None:
    for number, size in enumerate((5, 6, 6)):
        run = planted(tmp_path / "runs", "abc"[number], number + 1, cases=ONE)
        [phases] = run.path.glob("server*/phases.json")
        start = ServerStart.model_validate_json(phases.read_bytes())
        served = Weights(path="/m", files=(WeightFile(name="model.safetensors", size=size),))
        phases.write_bytes(start.model_copy(update={"weights": (served,)}).to_json())
        run.write_calibration(CALIBRATION)
    found = finding.over_time(tmp_path / "runs", None, Filters(), "128-512-c1", "ttft")
    assert [point.run.run[-1] for point in found.points] == ["b", "c"]
    assert [name[-1] for name in found.left_out] == ["a"]


def test_a_trend_leaves_out_what_was_measured_otherwise(folder: Path) -> None:
    found = finding.over_time(folder, None, Filters(), "128-512-c1", "output_throughput")
    assert [point.run.run[-1] for point in found.points] == ["b"]
    assert [name[-1] for name in found.left_out] == ["a"]
    with pytest.raises(UsageError, match="128-512-c2"):
        finding.over_time(folder, None, Filters(), "1-1-c1", "ttft")
    with pytest.raises(UsageError, match="no metric"):
        finding.over_time(folder, None, Filters(), "128-512-c1", "speed")


def test_rehearsals_are_in_no_trend_of_what_was_measured(tmp_path: Path) -> None:
    planted(tmp_path, "a", 1, cases=ONE)
    planted(tmp_path, "z", 2, "report.rehearsal=true", cases=ONE)
    found = finding.over_time(tmp_path, None, Filters(), "128-512-c1", "output_throughput")
    assert ([point.run.run[-1] for point in found.points], [name[-1] for name in found.left_out]) == (["a"], ["z"])
    shutil.rmtree(tmp_path / "20261123-210507-a")
    shown = CliRunner().invoke(app, ["runs", "trend", "128-512-c1", "--out", str(tmp_path)])
    assert "20261123-210507-z" in shown.stdout
    assert shown.stderr == "Rehearsal with stand-ins: the figures say nothing about real performance\n"


def test_a_rehearsal_says_so_beside_its_verdict(tmp_path: Path) -> None:
    planted(tmp_path, "a", 1, cases=ONE)
    planted(tmp_path, "z", 2, "report.rehearsal=true", cases=ONE)
    listed = CliRunner().invoke(app, ["runs", "--out", str(tmp_path)]).stdout.splitlines()
    assert ["none, rehearsal" in line for line in listed if "20261123" in line] == [True, False]
    told = json.loads(CliRunner().invoke(app, ["runs", "--out", str(tmp_path), "--json"]).stdout)
    assert [(run["verdict"], run["rehearsal"]) for run in told] == [("none", True), ("none", False)]


def test_what_an_index_of_before_knew_of_a_run_is_read_anew(tmp_path: Path) -> None:
    """It took a rehearsal for a measurement."""
    planted(tmp_path, "a", 1, cases=ONE)
    planted(tmp_path, "z", 2, "report.rehearsal=true", cases=ONE)
    finding.runs(tmp_path, None, Filters())
    path = place_of(tmp_path)
    assert path is not None
    with sqlite3.connect(path) as connection:
        for run in tmp_path.glob("20261123-*"):
            told = (run / "run.json").stat()
            stamp = f"{told.st_mtime_ns}-{told.st_size}"
            load = "load = replace(load, 'rehearsal; ', '')"
            connection.execute(f"UPDATE kit_runs SET stamp = ?, {load} WHERE run = ?", (stamp, run.name))
    assert [run.rehearsal for run in finding.runs(tmp_path, None, Filters()).runs] == [True, False]


@pytest.mark.parametrize("change", ["load.requests_per_client=2", "tokens"])
def test_runs_of_other_requests_are_in_no_trend(tmp_path: Path, change: str) -> None:
    planted(tmp_path, "a", 1, *([] if change == "tokens" else [change]), cases=ONE)
    if change == "tokens":
        for path in tmp_path.glob("*-a/cases/*/*/result.json"):
            result = RoundResult.model_validate_json(path.read_bytes())
            tokens = Spread(count=4, mean=314.0, p50=314.0, p90=314.0, p99=314.0, maximum=314.0)
            other = result.figures.model_copy(update={"input_tokens": tokens})
            path.write_bytes(result.model_copy(update={"figures": other}).to_json())
    planted(tmp_path, "b", 2, cases=ONE)
    planted(tmp_path, "c", 3, cases=ONE)
    found = finding.over_time(tmp_path, None, Filters(), "128-512-c1", "ttft")
    assert [point.run.run[-1] for point in found.points] == ["b", "c"]
    assert [name[-1] for name in found.left_out] == ["a"]


def test_the_commands(folder: Path) -> None:
    listed = CliRunner().invoke(app, ["runs", "--out", str(folder), "--model", "qwen"])
    assert listed.exit_code == 0
    assert "20261123-210507-b" in listed.stdout
    assert "20261123-210507-a" not in listed.stdout
    shown = CliRunner().invoke(app, ["runs", "trend", "128-512-c1", "--out", str(folder)])
    assert "20261123-210507-b" in shown.stdout
    assert CliRunner().invoke(app, ["runs", "--out", str(folder), "--model", "none"]).stderr.endswith("fits\n")
