"""What stands in a run's way: each check says what was found, what is needed, and what to do."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from kit import doctor
from kit.doctor import Asked, Probe, cards
from kit.errors import HostError
from tests import ascend_host
from tests.unit.sites import EVEN, NPU, Site, site

__all__ = ["site"]


def test_the_machine_of_the_original_can_run_its_profile(site: Site) -> None:
    assert site.wrong() == [EVEN]  # twenty modules on sixteen channels: told, and no obstacle
    doctor.require(site.checks(), "cards")


def test_every_check_says_what_was_found_and_what_to_do(site: Site) -> None:
    site.changes = dict.fromkeys((*ascend_host.COMMANDS, *ascend_host.FILES))
    site.busy = "pid 1"
    site.probe = Probe(threads=False, numa=False)
    found = site.checks()
    assert all(check.found for check in found)
    assert [check.name for check in found if check.level == "fail" and not check.remedy] == []
    with pytest.raises(HostError) as caught:
        doctor.require(found, "cards")
    assert len(caught.value.problems) == sum(check.level == "fail" for check in found) >= 5
    assert "--force" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lscpu": "Architecture: x86_64\n"}, "fail architecture: x86_64"),
        ({NPU: None}, "fail accelerators: none could be seen (not there)"),
        (
            {NPU: "dcmi module initialize failed. ret is -8005\n"},
            "fail accelerators: none could be seen (dcmi module initialize failed. ret is -8005 (the driver is not loaded",
        ),
        ({NPU: ascend_host.npu_info(model="910B3")}, "fail NPU 1 model: 910B3"),
        ({NPU: ascend_host.npu_info(model="910B4-1")}, "warn NPU 1 model: 910B4-1, a variant"),
        ({NPU: ascend_host.npu_info(total=32768)}, "fail NPU 1 memory: 32 GiB measured"),
        ({NPU: ascend_host.npu_info(held=True)}, "fail NPU 1 use: used by python3 (pid 41877, 51 GiB)"),
        (
            {NPU: ascend_host.npu_info(used=17000)},
            "warn NPU 1 use: 47.4 GiB of 64 GiB free, though no program is listed",
        ),
        ({NPU: ascend_host.npu_info(health="Warning")}, "warn NPU 1 health: Warning"),
        ({NPU: ascend_host.npu_info(health="Alarm")}, "fail NPU 1 health: Alarm"),
        ({NPU: ascend_host.npu_info(health="Critical")}, "fail NPU 1 health: Critical"),
        (
            {"/usr/local/Ascend/firmware/version.info": "Version=7.8.0.2.1\n"},
            "warn firmware: firmware 7.8.0.2.1, driver",
        ),
        ({"docker version": "Server:\n Version: 17.03.1\n"}, "fail container engine: Docker 17.03.1"),
        (
            {"docker version": None, "podman --version": "podman version 4.9.4\n"},
            "fail container engine: no answer (not there)",
        ),
        (ascend_host.available(0.00000001), "fail main memory: 0 bytes available"),
        ({"/proc/meminfo": None}, "warn main memory: not known (not there)"),
        ({"lscpu": "Architecture: aarch64\n"}, "warn compute threads: not known"),
        (
            {
                "lscpu": ascend_host.COMMANDS["lscpu"]
                .replace("per core:     1", "per core:     2")
                .replace("64\nS", "32\nS")
            },
            "warn compute threads: 128 on 64 physical cores",
        ),
        (
            {"lscpu": ascend_host.COMMANDS["lscpu"].partition("NUMA node2")[0]},
            "warn NUMA nodes: there are 2",
        ),
        (
            {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n"},
            "warn CPU governor: powersave",
        ),
        ({"/proc/sys/kernel/numa_balancing": "1\n"}, "warn NUMA balancing: 1 (on)"),
        ({"timedatectl show": "NTPSynchronized=no\n"}, "warn clock: follows no time server"),
        ({"docker version": None, "podman --version": None}, "fail container engine: no answer (not there)"),
        (
            {"lscpu": "Architecture: aarch64\nCore(s) per socket: 1\nSocket(s): 1\nNUMA node0 CPU(s): 0\n"},
            "warn compute threads: 128 on 1 physical core",
        ),
        ({"lscpu": "Architecture: aarch64\nNUMA node0 CPU(s): 0-7\n"}, "warn NUMA nodes: there is 1"),
        (
            {"ls /dev": "davinci0\ndavinci7\n"},
            "fail NPU 1: the number of its node is not known (npu-smi info prints no Phy-ID",
        ),
        ({"timedatectl show": None}, "warn clock: whether it follows a time server is not known"),
    ],
)
def test_what_is_wrong_with_a_machine_is_told(site: Site, changes: dict[str, str | None], said: str) -> None:
    site.changes = dict(changes)
    assert any(line.startswith(said) for line in site.wrong()), site.wrong()


def test_a_remedy_names_the_flag_and_what_is_missing(site: Site) -> None:
    site.changes = {"lscpu": "Architecture: aarch64\nCore(s) per socket: 8\nSocket(s): 1\nNUMA node0 CPU(s): 0-7\n"}
    told = {check.name: check for check in site.checks()}
    assert told["compute threads"].remedy.startswith("set --cpuinfer to 8")
    assert told["NUMA nodes"].remedy.startswith("set --subpool-count to 1")
    assert told[f"weights {site.model / 'int4'}"].found.startswith("1 file,")


def test_a_declared_card_with_half_its_memory_is_a_failure_and_not_a_label(site: Site) -> None:
    site.changes = {NPU: ascend_host.npu_info(total=32768)}
    with pytest.raises(HostError) as caught:
        doctor.require(site.checks(), "cards")
    assert "32 GiB measured; needed: the profile declares 64 GiB" in str(caught.value)


def test_too_few_cards_are_told_with_what_is_there(site: Site) -> None:
    site.settings = ("machine.accelerator.count=4",)
    assert "fail accelerators: 2 Huawei Ascend devices" in site.wrong()


def test_cards_that_are_free_are_taken_before_those_in_use(site: Site) -> None:
    site.settings = ("machine.accelerator.count=1",)
    assert site.plan().devices == ((1, 0),)
    site.changes = {NPU: ascend_host.npu_info(held=True)}
    assert site.plan().devices == ((5, 0),)
    assert not [line for line in site.wrong() if "NPU" in line]


def test_a_container_is_given_the_nodes_of_its_cards_by_their_numbers_and_no_others(site: Site) -> None:
    server = site.plan().server
    assert server is not None
    assert server.program.container.devices == (
        "/dev/davinci1",
        "/dev/davinci5",
        "/dev/davinci_manager",
        "/dev/devmm_svm",
        "/dev/hisi_hdc",
    )
    assert "/usr/local/bin/npu-smi" in [mount.path for mount in server.program.mounts]
    assert dict(server.program.env) == {}


def test_the_tool_is_mounted_from_where_the_driver_put_it(site: Site) -> None:
    site.host.absent = {"/usr/local/bin/npu-smi"}
    server = site.plan().server
    assert server is not None
    assert "/usr/local/sbin/npu-smi" in [mount.path for mount in server.program.mounts]


def test_without_a_container_a_variable_counts_the_cards(site: Site) -> None:
    site.runtime, site.settings = "process", ("machine.accelerator.count=1",)
    site.changes = {NPU: ascend_host.npu_info(held=True)}
    server = site.plan().server
    assert server is not None
    assert server.program.env == (("ASCEND_RT_VISIBLE_DEVICES", "1"),)
    assert server.program.container.devices == ()


def test_nodes_and_mounts_that_are_missing_are_told(site: Site) -> None:
    site.host.absent = {"/dev/davinci5", "/usr/local/dcmi"}
    assert site.wrong()[:2] == ["fail device nodes: missing: /dev/davinci5", "fail mounts: missing: /usr/local/dcmi"]


def test_a_card_whose_node_has_no_known_number_is_told(site: Site) -> None:
    site.changes = {"ls /dev": "davinci0\ndavinci1\n"}
    assert "fail NPU 1: the number of its node is not known" in "\n".join(site.wrong())


def test_a_port_in_use_is_told(site: Site) -> None:
    site.host.taken_ports.add(8001)
    assert "fail port 8001: is taken" in site.wrong()


def listening(*ports: int) -> str:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    rows = [
        f"   {at}: 0100000A:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000" for at, port in enumerate(ports)
    ]
    return head + "\n".join(rows) + "\n"


def test_a_listener_on_another_address_is_seen(site: Site) -> None:
    site.host.texts["/proc/net/tcp"] = listening(8001, 16667)
    assert {"fail port 8001: is taken", "fail HCCL ports 16666–16667: taken: 16667"} <= set(site.wrong())


def test_a_connection_from_a_port_is_no_listener(site: Site) -> None:
    site.host.texts["/proc/net/tcp"] = listening(16666).replace(" 0A ", " 01 ")
    assert site.wrong() == [EVEN]


@pytest.mark.parametrize(
    "settings",
    [("server.container.network=private",), ("machine.accelerator.count=1",), ("server.env.HCCL_IF_BASE_PORT=17000",)],
)
def test_hccl_ports_matter_only_where_hccl_uses_them(site: Site, settings: tuple[str, ...]) -> None:
    site.host.texts["/proc/net/tcp"] = listening(16666)
    site.settings = settings
    assert not [line for line in site.wrong() if "HCCL" in line]


def test_multi_token_prediction_beside_min_tokens_is_warned_of(site: Site) -> None:
    site.settings = ("server.args.0=[--speculative-algorithm, NEXTN, --model-path, " + str(site.model) + "]",)
    [found] = [line for line in site.wrong() if "min_tokens" in line]
    assert found.startswith("warn min_tokens: The server predicts several tokens at once (--speculative-algorithm)")


def test_rounds_that_go_by_the_throughput_of_a_rate_are_warned_of(site: Site) -> None:
    rate = "load.cases=[{input: 128, output: 128, rate: 4, requests: 9}]"
    site.settings = (rate, "load.rounds=auto(2%)")
    assert [line.partition(":")[0] for line in site.wrong() if "rounds" in line] == ["warn rounds"]
    site.settings = (rate, "load.rounds=5")
    assert not [line for line in site.wrong() if "rounds" in line]


def test_more_connections_than_files_are_told(site: Site) -> None:
    site.settings = ("load.cases=[{input: 128, output: 128, concurrency: 1000}]", "load.transport=precise")
    site.host.texts["/proc/self/limits"] = (
        "Limit  Soft Limit  Hard Limit  Units\nMax open files            256         1024        files\n"
    )
    assert not [line for line in site.wrong() if "open files" in line], "in a container the engine says"
    site.runtime = "process"
    assert "fail open files: 1024 at most" in site.wrong()
    site.settings = ("load.cases=[{input: 128, output: 128, concurrency: 900}]", "load.transport=precise")
    assert not [line for line in site.wrong() if "open files" in line]
    site.settings = (site.settings[0], "load.transport=evalscope")
    assert "fail open files: 256 at most" in site.wrong()


def test_another_run_is_in_the_way(site: Site) -> None:
    site.busy = "another run of kit: pid 7, user 0, kit run smoke"
    assert "fail other runs: another run of kit: pid 7, user 0, kit run smoke" in site.wrong()


def test_a_folder_that_nobody_may_enter_stops_no_other_check(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, whole = str(site.model / "w8a8"), site.wrong()

    def stat(path: Path, **_: object) -> os.stat_result:
        if str(path).startswith(hidden):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return os.stat(path)

    monkeypatch.setattr(Path, "stat", stat)
    found = site.wrong()
    assert [line for line in found if line not in whole] == [f"fail path {hidden}: Permission denied"] * 2
    assert len(found) > len(whole)


def test_an_output_directory_that_cannot_be_written_is_told(site: Site) -> None:
    (site.folder / "runs").write_text("a file")
    assert "fail output directory" in "\n".join(site.wrong())


def test_a_look_at_the_output_directory_leaves_nothing(site: Site) -> None:
    assert not [line for line in site.wrong() if "output directory" in line]
    assert not (site.folder / "runs").exists()


def test_without_a_profile_the_machine_is_looked_at_for_itself(site: Site) -> None:
    changes: Mapping[str, str | None] = {NPU: ascend_host.npu_info(held=True, health="Alarm")}
    asked = Asked(plan=None, inventory=ascend_host.inventory(changes), host=site.host, output=site.folder)
    found = {check.name: check for check in doctor.examine(asked)}
    assert found["NPU 1 use"].level == "warn"
    assert "python3 (pid 41877" in found["NPU 1 use"].found
    assert found["NPU 1 health"].level == "fail"
    assert "architecture" not in found


def test_fixes_are_shell_lines_each_once(site: Site) -> None:
    site.changes = {
        "/proc/sys/kernel/numa_balancing": "1\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    }
    site.host.taken_ports.add(8001)
    assert doctor.fixes(site.checks()) == (
        "sudo ss -ltnp 'sport = :8001'",
        "for file in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo performance | sudo tee $file >/dev/null; done",
        "sudo sysctl -w kernel.numa_balancing=0",
    )


@pytest.mark.parametrize(
    ("measured", "declared", "fit"),
    [
        ("910B4", "910B4", "ok"),
        ("Ascend910B4", "910B4", "ok"),
        ("Ascend 910B4", "910b4", "ok"),
        ("910B4-1", "910B4", "warn"),
        ("A2G4", "910B4", "ok"),
        ("910B3", "910B4", "fail"),
        ("910B", "910B4", "fail"),
        ("GeForce RTX 4090", "4090", "ok"),
        ("GeForce RTX 4090 D", "4090", "warn"),
        ("GeForce RTX 4090", "GeForce RTX 4090", "ok"),
        ("H20", "H200", "fail"),
        ("H200", "H20", "fail"),
        ("H200 NVL", "H200", "warn"),
    ],
)
def test_names_of_cards_are_compared_by_their_words(measured: str, declared: str, fit: str) -> None:
    assert cards.fits(measured, declared) == fit


@pytest.mark.parametrize(
    ("version", "ranges", "inside"),
    [
        ("7.7.0.1.231", "[7.0.0,7.7.99]", True),
        ("7.0.0.0.1", "[7.0.0,7.7.99]", True),
        ("7.8.0", "[7.0.0,7.7.99]", False),
        ("6.4.0.4.220", "[7.0.0,7.7.99]", False),
        ("6.4.0", "[1.0,2.0],[6.0.0,6.5.0]", True),
        ("7.7.0", "", None),
        ("", "[7.0.0,7.7.99]", None),
    ],
)
def test_a_firmware_lies_in_the_range_of_its_driver_or_not(version: str, ranges: str, inside: bool | None) -> None:
    assert cards.inside(version, ranges) is inside
