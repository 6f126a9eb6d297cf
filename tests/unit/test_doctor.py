"""What stands in a run's way: each check says what was found, what is needed, and what to do."""

import hashlib
import json
import os
import struct
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import doctor, profile, weights
from kit import plan as plans
from kit.doctor import Asked, Probe, cards, probing
from kit.errors import HostError
from kit.model import Check, Plan
from tests import ascend_host
from tests.fakes import FakeHost, FakeRuntime, Stage, ends, forever

PROFILE = """\
schema: 1
name: cards
machine:
  architecture: aarch64
  accelerator: {{kind: ascend, model: 910B4, count: 2, memory_gib: 64}}
server:
  engine: ftransformers
  image: ftransformers
  port: 8001
  mounts: [{folder}]
  container: {{network: host, cap_add: [SYS_NICE]}}
  args:
    - [--model-path, {folder}/w8a8]
    - [--cpu-weight-path, {folder}/int4]
    - [--port, 8001]
    - [--cpuinfer, 128]
    - [--subpool-count, 4]
load: {{tokenizer: {folder}/w8a8, cases: [{{input: 128, output: 512, concurrency: [1, 2]}}]}}
"""
NPU = "npu-smi info"


def safetensors(size: int) -> bytes:
    """A whole file whose tensors take `size` bytes."""
    header = json.dumps({"__metadata__": {"format": "pt"}, "x": {"dtype": "I8", "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * size


def model(folder: Path) -> None:
    """A model as the original's: an index with two files, a tokenizer; and the experts beside it."""
    whole = folder / "w8a8"
    whole.mkdir(parents=True)
    (whole / "config.json").write_text("{}")
    (whole / "tokenizer.json").write_text("{}")
    (whole / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    names = [f"model-{number:05d}-of-00002.safetensors" for number in (1, 2)]
    for name in names:
        (whole / name).write_bytes(safetensors(100))
    index = {"metadata": {"total_size": 200}, "weight_map": {"a": names[0], "b": names[1]}}
    (whole / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "int4").mkdir()
    (folder / "int4" / "experts.safetensors").write_bytes(safetensors(50))


class Site:
    """A machine like the original's with its model, on which one thing is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        model(folder / "model")
        self.host = FakeHost()
        self.changes: dict[str, str | None] = {}
        self.settings: tuple[str, ...] = ()
        self.runtime: Literal["process", "docker"] = "docker"
        self.probe: Probe | None = Probe(threads=True, numa=True, cpus="0-127", reason="")
        self.busy: str | None = None

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def plan(self) -> Plan:
        loaded = profile.parse(PROFILE.format(folder=self.model), "p.yaml", self.settings)
        fake = FakeRuntime()
        return plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime=self.runtime,
            pin=fake.pin,
            models=self.folder / "made",
            version=fake.version,
            inventory=ascend_host.inventory(self.changes),
            present=self.host.exists,
        )

    def checks(self, *, digests: bool = False) -> tuple[Check, ...]:
        return doctor.examine(
            Asked(
                plan=self.plan(),
                inventory=ascend_host.inventory(self.changes),
                host=self.host,
                output=self.folder / "runs",
                busy=self.busy,
                probe=self.probe,
                digests=digests,
            )
        )

    def wrong(self, *, digests: bool = False) -> list[str]:
        """What is not ok, as `level name: found`."""
        found = self.checks(digests=digests)
        return [f"{check.level} {check.name}: {check.found}" for check in found if check.level != "ok"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


EVEN = "warn memory channels: 20 modules, not the same in every channel"
OLD = "warn container engine: Docker 18.09.0"


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
        ({"docker version": None}, "fail container engine: no answer (not there)"),
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


def test_an_output_directory_that_cannot_be_written_is_told(site: Site) -> None:
    (site.folder / "runs").write_text("a file")
    assert "fail output directory" in "\n".join(site.wrong())


def test_a_look_at_the_output_directory_leaves_nothing(site: Site) -> None:
    assert not [line for line in site.wrong() if "output directory" in line]
    assert not (site.folder / "runs").exists()


# --- models ------------------------------------------------------------------------------------------------------


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _vast(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda f: (f / "w8a8/model-00002-of-00002.safetensors").unlink(),
            "1 of 2 files of model.safetensors.index.json",
        ),
        (lambda f: _cut(f / "w8a8/model-00002-of-00002.safetensors"), "bytes, its header tells"),
        (
            lambda f: (f / "w8a8/model-00001-of-00002.safetensors").write_bytes(b""),
            "model-00001-of-00002.safetensors is empty",
        ),
        (lambda f: (f / "w8a8/model-00001-of-00002.safetensors").write_bytes(b"x" * 300), "has no whole header"),
        (lambda f: (f / "w8a8/model.safetensors.index.json").write_text("{"), "is no index of weights"),
        (lambda f: (f / "int4/experts.safetensors").unlink(), "holds no weights"),
        (lambda f: (f / "w8a8").rename(f / "elsewhere"), "is not on this machine"),
        (lambda f: (f / "w8a8/tokenizer_config.json").unlink(), "has no tokenizer_config.json"),
        (lambda f: (f / "w8a8/tokenizer_config.json").write_text("{}"), "has no chat template"),
        (lambda f: (f / "w8a8/tokenizer.json").write_text('{"half":'), "tokenizer.json is not whole"),
        (lambda f: (f / "w8a8/tokenizer.json").unlink(), "has no vocabulary"),
        (lambda f: _pipe(f / "w8a8/model.safetensors.index.json"), "index.json: it is no plain file"),
        (lambda f: _vast(f / "w8a8/SHA256SUMS"), "SHA256SUMS cannot be read: it is larger than"),
        (lambda f: _pipe(f / "w8a8/tokenizer.json"), "tokenizer.json cannot be read: it is no plain file"),
        (lambda f: _pipe(f / "w8a8/config.json"), "config.json cannot be read: it is no plain file"),
    ],
)
def test_a_model_that_is_not_whole_is_told(site: Site, damage: "object", said: str) -> None:
    assert callable(damage)
    damage(site.model)
    assert any(line.startswith("fail") and said in line for line in site.wrong()), site.wrong()


MAPPED = '"auto_map": {"AutoTokenizer": "own.Tokenizer"}'
TEMPLATE = '"chat_template": "{{ messages }}"'


@pytest.mark.parametrize("name", ["tokenizer_config.json", "config.json"])
@pytest.mark.parametrize(
    "hide",
    [
        lambda path: os.truncate(path, 1 << 40),
        lambda path: path.write_text(f'{{{TEMPLATE}, {MAPPED}, "deep": {"[" * 200}{"]" * 200}}}'),
    ],
    ids=["vast", "deep"],
)
def test_code_beside_the_tokenizer_cannot_hide_in_a_file_that_kit_does_not_read(
    site: Site, hide: Callable[[Path], object], name: str
) -> None:
    hide(site.model / "w8a8" / name)
    assert any("cannot be searched for code of its own" in line for line in site.wrong())
    with pytest.raises(HostError, match="cannot be forced"):
        doctor.require(site.checks(), "cards", force=True)


@pytest.mark.parametrize(
    ("settings", "config", "runs"),
    [
        (f"{{{TEMPLATE}, {MAPPED}}}", "{}", True),
        (f'{{{TEMPLATE}, "tokenizer_class": "X", {MAPPED}}}', "{}", True),
        (f"{{{TEMPLATE}}}", f"{{{MAPPED}}}", True),
        (f'{{{TEMPLATE}, "tokenizer_class": "LlamaTokenizerFast"}}', f"{{{MAPPED}}}", False),
        (f"{{{TEMPLATE}}}", "{}", False),
    ],
)
def test_code_beside_the_tokenizer_runs_only_where_the_profile_says_so(
    site: Site, settings: str, config: str, *, runs: bool
) -> None:
    (site.model / "w8a8" / "tokenizer_config.json").write_text(settings)
    (site.model / "w8a8" / "config.json").write_text(config)
    assert any("brings code of its own" in line for line in site.wrong()) == runs
    if runs:
        with pytest.raises(HostError, match="cannot be forced"):
            doctor.require(site.checks(), "cards", force=True)
    site.settings = ("load.trust_remote_code=true",)
    assert site.wrong() == [EVEN]


def test_what_may_be_forced_is_forced(site: Site) -> None:
    (site.model / "w8a8" / "tokenizer.json").unlink()
    with pytest.raises(HostError):
        doctor.require(site.checks(), "cards")
    doctor.require(site.checks(), "cards", force=True)


def test_shards_that_count_themselves_need_no_index(tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / f"m-{number:05d}-of-00003.safetensors").write_bytes(safetensors(1))
    assert weights.look(tmp_path).problems == ("1 of 3 shards are missing, such as m-00002-of-00003.safetensors",)
    for number in (0, 1, 2):
        (tmp_path / f"z-{number:05d}-of-00003.gguf").write_bytes(b"GGUF....")
    assert len(weights.look(tmp_path).problems) == 1


def test_weights_that_stay_in_main_memory_must_fit_there(site: Site) -> None:
    with open(site.model / "int4" / "more.bin", "wb") as file:
        file.truncate(3 * 1024**3)
    site.changes = {**ascend_host.available(2)}
    assert "fail main memory: 2 GiB available" in site.wrong()
    site.changes = {**ascend_host.available(3.05)}
    assert "warn main memory: 3 GiB available" in site.wrong()


def test_digests_are_those_of_sha256sum_and_tell_what_changed(site: Site) -> None:
    folder = site.model / "int4"
    lines = [f"{value}  {name}\n" for value, name in weights.digests(folder)]
    told = hashlib.sha256((folder / "experts.safetensors").read_bytes()).hexdigest()
    assert lines == [f"{told}  experts.safetensors\n"]
    (folder / weights.LIST).write_text("".join(lines))
    assert site.wrong(digests=True) == [f"warn digests {site.model}/w8a8: there is no SHA256SUMS", EVEN]
    content = bytearray((folder / "experts.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "experts.safetensors").write_bytes(content)
    assert site.wrong() == [EVEN]  # the size is the same, and nobody asked for the contents
    told = f"fail digests {folder}: experts.safetensors holds something else than the list says"
    assert told in site.wrong(digests=True)
    (folder / weights.LIST).write_text("nonsense\n")
    assert "line 1 is not of the form that sha256sum writes" in "\n".join(site.wrong())


def test_a_model_larger_than_its_cards_is_told(site: Site) -> None:
    site.settings = ("server.args.1=[--x]",)
    with open(site.model / "w8a8" / "more.bin", "wb") as file:
        file.truncate(129 * 1024**3)
    assert "fail memory of the cards: 128 GiB on 2 cards" in site.wrong()


# --- in a container ----------------------------------------------------------------------------------------------


def test_rights_that_a_container_lacks_are_told(site: Site) -> None:
    site.probe = Probe(threads=False, numa=False)
    assert {
        "fail threads in the container: cannot be started",
        "fail NUMA binding in the container: denied",
    } <= set(site.wrong())
    site.settings = ("server.args.4=[--x]",)
    assert "warn NUMA binding in the container: denied" in site.wrong()


def test_an_old_engine_is_a_doubt_only_while_nothing_was_tried(site: Site) -> None:
    site.probe = Probe(reason="no image")
    assert OLD in site.wrong()
    assert "warn threads in the container: not known (no image)" in site.wrong()


@pytest.mark.parametrize(
    ("line", "probe"),
    [
        (
            'kit-probe {"threads": true, "numa": false, "cpus": "0-3", "reason": ""}',
            Probe(threads=True, numa=False, cpus="0-3", reason=""),
        ),
        ("kit-probe {", Probe(reason="the trial wrote {")),
        (
            "bash: python3: command not found",
            Probe(reason="the trial ended with exit code 3: bash: python3: command not found"),
        ),
    ],
)
def test_what_the_trial_in_a_container_says_is_read(site: Site, line: str, probe: Probe) -> None:
    runtime = FakeRuntime()
    runtime.plays_in_turn("probe", ends(3, line))
    server = (plan := site.plan()).server
    assert server is not None
    assert probing.probe(plan, server, runtime) == probe
    [started] = runtime.started
    assert (started.container, started.mounts, started.port) == (server.program.container, server.program.mounts, None)


def test_a_container_that_the_engine_does_not_start_is_told_before_the_run(site: Site) -> None:
    def refuses(stage: Stage) -> Generator[None, None, int]:
        del stage
        yield
        raise HostError("a limit is beyond what this engine may grant", hint="lower server.container.ulimits")

    runtime = FakeRuntime()
    runtime.plays_in_turn("probe", refuses)
    server = (plan := site.plan()).server
    assert server is not None
    site.probe = probing.probe(plan, server, runtime)
    [check] = [check for check in site.checks() if check.name == "server's container"]
    assert (check.level, check.found) == ("fail", "was not started: a limit is beyond what this engine may grant")
    assert check.remedy == "lower server.container.ulimits"


def test_a_trial_that_never_ends_is_stopped(site: Site) -> None:
    runtime = FakeRuntime()
    runtime.plays_in_turn("probe", forever())
    server = (plan := site.plan()).server
    assert server is not None
    assert probing.probe(plan, server, runtime) == Probe(reason="no answer in 120 s")
    assert runtime.running == []


# --- the rest ----------------------------------------------------------------------------------------------------


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


@given(st.binary(max_size=200))
def test_a_file_of_weights_may_hold_anything(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("weights")
    (folder / "model.safetensors").write_bytes(content)
    (folder / "model.safetensors.index.json").write_bytes(content)
    assert weights.look(folder).problems
