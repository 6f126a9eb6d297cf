"""The original test from beginning to end, on a machine that looks like the original's, with a stand-in for its engine.

The server is the stand-in for Ftransformers in its arm64 image under emulation, the load generator is real and runs in this
machine's own image. All 18 cases of the profile run, with lengths that an emulated processor manages.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from kit.model import CardTick, Plan, RoundResult
from tests.conftest import REQUIRED
from tests.e2e import emulated
from tests.integration.driver import KIT, variables
from tests.integration.vendor import ORIGINAL, PREFIX, Site

PROFILE = "ascend-910b4x2-deepseek-r1-w8a8"
IMAGE = "rehearsal-ftransformers/3.3.1-arm64"
"""Named with its platform: a profile that does not say so is refused an image that would run under emulation."""
LIMIT_S = 3000
"""Emulated processors take their time on a busy machine; nothing is measured against this."""

# The tables of the original report, cell by cell; the operating system there lacks the service pack that its kernel names.
HARDWARE = {
    "CPU": "Huawei Kunpeng 920 7263Z (128 Cores)",
    "GPU": "Huawei Ascend 910B4（64 GiB）* 2",
    "内存": "DDR5 64 GB * 20",
}
SOFTWARE = {
    "操作系统": "openEuler 22.03 LTS-SP3",
    "内核版本": "5.10.0-182.0.0.95.oe2203sp3.aarch64",
    "推理引擎": "Ftransformers v3.3.1",
    "测试工具": "evalscope v1.0.1",
}
BASICS = {
    "项目": "基于 2 卡 昇腾910B4 NPU（64GiB）+ 鲲鹏920B CPU测试 DeepSeek R1 性能",
    "模型": "DeepSeek R1（671B），NPU 权重 W8A8",
}
CONCURRENCY = [1, 2, 4, 8, 16, 1, 2, 4, 1, 2, 4, 1, 2, 4, 1, 1, 1, 1]
# Lengths of the eight groups of cases: as many as in the profile, and all different.
FEWER_RIGHTS = "server.container.ulimits={}"
"""An engine that itself runs in a container may grant no unlimited locked memory."""
LENGTHS = [(8 + group, 2 if group < 5 else 3) for group in range(8)]

pytestmark = [
    pytest.mark.docker,
    pytest.mark.arm64,
    pytest.mark.slow,
    pytest.mark.xdist_group("vendor-images"),
]


@dataclass(frozen=True)
class Rehearsal:
    """What was done on the emulated machine, one after the other, and what it left."""

    home: Path
    inventory: "subprocess.CompletedProcess[str]"
    doctor: "subprocess.CompletedProcess[str]"
    run: "subprocess.CompletedProcess[str]"

    @property
    def path(self) -> Path:
        (only,) = (self.home / "runs").iterdir()
        return only

    @cached_property
    def plan(self) -> Plan:
        return Plan.model_validate_json((self.path / "plan.json").read_bytes())

    @cached_property
    def report(self) -> str:
        return (self.path / "report" / "report.md").read_text("utf-8")

    @cached_property
    def cells(self) -> dict[str, str]:
        """The tables of two columns, first to second."""
        rows = re.findall(r"^\| *([^|]+?) *\| *([^|]+?) *\|$", self.report, re.MULTILINE)
        return {name.strip("* "): value.replace(r"\*", "*") for name, value in rows}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The stand-in for Ftransformers, as an arm64 image, under a name that a profile can give."""
    site = Site(tmp_path_factory.mktemp("site"), "linux/arm64")
    tag = f"kit/{IMAGE.replace('/', ':')}"
    try:
        site.add_cann()
        site.add_wheels()
        site.build(f"{PREFIX}cann/8.2.RC1")
        site.docker("tag", site.build(f"{PREFIX}ftransformers").id, tag)
        yield IMAGE
    finally:
        subprocess.run(["docker", "image", "rm", "--force", tag], capture_output=True, check=False)
        site.close()


@pytest.fixture(scope="module")
def rehearsal(
    engine: str, cache: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    """Inventory, preflight and run, as somebody on site types them."""
    if reason := emulated.obstacle():
        if "arm64" in REQUIRED:
            pytest.fail(f"KIT_REQUIRE names arm64, but {reason}")
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("rehearsal")
    shorter = [
        f"load.cases.{at}.{name}={n}"
        for at, pair in enumerate(LENGTHS)
        for name, n in zip(("input", "output"), pair, strict=True)
    ]
    options = [
        word
        for setting in (f"server.image={engine}", "report.rehearsal=true", FEWER_RIGHTS, *shorter)
        for word in ("--set", setting)
    ]
    options += ["--runtime", "docker"]

    with emulated.machine(home, tokenizer) as machine:

        def kit(*words: str) -> "subprocess.CompletedProcess[str]":
            done = subprocess.run(
                [*machine.prefix, str(KIT), *words],
                cwd=home,
                env=variables(cache, {"PATH": machine.path}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            assert "Traceback" not in done.stderr, done.stderr
            return done

        for verb in ("fetch", "build"):
            done = subprocess.run(
                [str(KIT), "image", verb, "evalscope/1.0.1"],
                env=variables(cache),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        yield Rehearsal(home, kit("inventory"), kit("doctor", PROFILE, *options), kit("run", PROFILE, *options))


def test_the_inventory_says_what_the_machine_is(rehearsal: Rehearsal) -> None:
    said = rehearsal.inventory.stdout
    assert rehearsal.inventory.returncode == 0, rehearsal.inventory.stderr
    for wanted in (
        "Kunpeng 920 7263Z",
        "设备 1：Huawei Ascend 910B4",
        "设备 5：Huawei Ascend 910B4",
        "DDR5 64 GB * 20",
    ):
        assert wanted in said, said


def test_no_check_of_the_machine_fails(rehearsal: Rehearsal) -> None:
    assert rehearsal.doctor.returncode == 0, rehearsal.doctor.stdout
    assert "FAIL" not in rehearsal.doctor.stdout
    for wanted in (
        "ok    architecture: aarch64",
        "ok    accelerators: 2 Huawei Ascend devices; for this run: NPU 1, NPU 5",
        "ok    NPU 5 memory: 64 GiB measured",
        "ok    NPU 1 use: 60.7 GiB of 64 GiB free, no other program",
        "ok    firmware: firmware 7.7.0.1.231",
        "ok    device nodes: 5, all there",
        "ok    threads in the container: can be started",
        "ok    compute threads: 128 on 128 physical cores",
        "ok    NUMA nodes: 4\n",
        "warn  memory channels: 20 modules",
    ):
        assert wanted in rehearsal.doctor.stdout, rehearsal.doctor.stdout


def test_the_run_is_whole(rehearsal: Rehearsal) -> None:
    assert rehearsal.run.returncode == 0, rehearsal.run.stderr
    status = json.loads((rehearsal.path / "run.json").read_text())
    assert (status["status"], status["rounds_done"]) == ("complete", 18)
    assert json.loads((rehearsal.path / "preflight.json").read_text())["forced"] is False


def test_the_environment_tables_are_the_originals_cell_by_cell(rehearsal: Rehearsal) -> None:
    for table in (BASICS, HARDWARE, SOFTWARE):
        assert {name: rehearsal.cells.get(name) for name in table} == table


def test_the_command_that_starts_the_server_is_the_originals(rehearsal: Rehearsal) -> None:
    exports, command = ORIGINAL.splitlines()
    server = rehearsal.plan.server
    assert server is not None
    assert list(server.program.argv) == shlex.split(command)
    assert [f"export {name}={value}" for name, value in server.program.env] == [exports]
    assert command in rehearsal.report


def test_the_server_was_given_its_two_cards_and_no_more(rehearsal: Rehearsal) -> None:
    assert rehearsal.plan.devices == ((1, 0), (5, 0))
    argv = (rehearsal.path / "server" / "argv.txt").read_text()
    assert re.findall(r"--device (/\S+)", argv) == [
        "/dev/davinci1",
        "/dev/davinci5",
        "/dev/davinci_manager",
        "/dev/devmm_svm",
        "/dev/hisi_hdc",
    ]


def test_the_start_up_was_told_phase_by_phase(rehearsal: Rehearsal) -> None:
    phases = json.loads((rehearsal.path / "server" / "phases.json").read_text())["phases"]
    assert [phase["name"] for phase in phases] == ["init end", "load begin", "load end", "listening", "ready"]


def test_every_case_of_the_original_was_measured(rehearsal: Rehearsal) -> None:
    assert [case.concurrency for case in rehearsal.plan.cases] == CONCURRENCY
    for entry in rehearsal.plan.rounds:
        result = RoundResult.model_validate_json((rehearsal.path / "cases" / entry.id / "result.json").read_bytes())
        assert result.figures.succeeded == result.figures.requests == entry.case.concurrency
        assert result.figures.output_throughput


def test_the_cards_were_watched_during_the_rounds(rehearsal: Rehearsal) -> None:
    ticks = [
        CardTick.model_validate_json(line)
        for path in rehearsal.path.glob("cases/*/round-1/telemetry.jsonl")
        for line in path.read_text().splitlines()
        if json.loads(line)["kind"] == "cards"
    ]
    assert ticks
    assert {tuple((card.card, card.power_w) for card in tick.cards) for tick in ticks} == {((1, 88.1), (5, 87.4))}
