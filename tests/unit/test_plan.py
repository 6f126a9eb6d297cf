"""Plans: everything decided, nothing left to choose."""

from pathlib import Path
from typing import Literal

import pytest

from kit import library, packed, profile
from kit import plan as plans
from kit.engines import ENGINES
from kit.errors import HostError, ProfileError, UsageError
from kit.model import Mount, Plan
from kit.runtimes import sources
from tests import ascend_host
from tests.fakes import FakeRuntime
from tests.unit.conftest import CheckGolden
from tests.unit.profiles import RUNNING, STARTED

MADE = """\
schema: 1
name: made
server:
  engine: sglang
  image: sglang
  make_model: true
  port: 8001
  args: [[--model-path, "{model}"], [--host, "{host}"], ["--port={port}"]]
load: {tokenizer: "{model}", cases: [{input: 1, output: 1, concurrency: 1}]}
"""


def make(text: str, *settings: str, runtime: Literal["process", "docker"] = "process", cpus: str = "") -> Plan:
    loaded = profile.parse(text, "p.yaml", settings)
    fake = FakeRuntime()
    return plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime=runtime,
        pin=fake.pin,
        models=Path("/cache/models"),
        version=fake.version,
        cpus=cpus,
    )


def stored(made: Plan) -> bytes:
    """The plan's bytes; what pins kit's own instruments changes with them."""
    return made.to_json().replace(packed.digest().encode(), b"sha256:instruments")


@pytest.mark.parametrize("runtime", ["process", "docker"])
@pytest.mark.parametrize("name", ["smoke", "external"])
def test_the_plan_of_a_profile_is_what_it_was(
    name: str, runtime: Literal["process", "docker"], golden: CheckGolden
) -> None:
    loaded = profile.load(name)
    fake = FakeRuntime()
    made = plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime=runtime,
        pin=fake.pin,
        models=Path("/cache/models"),
        version=fake.version,
    )
    golden(f"plan-{name}-{runtime}.json", stored(made))


WITH_CARDS = sorted(name for name in library.names() if name not in ("smoke", "external"))


@pytest.mark.parametrize("name", WITH_CARDS)
def test_the_plan_of_a_profile_with_cards_is_what_it_was(name: str, golden: CheckGolden) -> None:
    loaded = profile.load(name)
    fake = FakeRuntime()
    made = plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime="docker",
        pin=fake.pin,
        models=Path("/cache/models"),
        version=fake.version,
        inventory=ascend_host.inventory(),
        present=lambda path: path != "/usr/local/bin/npu-smi",
    )
    golden(f"plan-{name}.json", stored(made))


def test_the_profiles_that_come_with_kit_are_all_there() -> None:
    assert set(WITH_CARDS) == {
        "ascend-910b4x2-deepseek-r1-w8a8",
        "ascend-910b4x2-vllm",
        "ascend-910b4x8-qwen3-32b-w8a8",
        "nvidia-4090x2-deepseek-r1-kt",
        "nvidia-h200-sglang",
    }


@pytest.mark.parametrize("name", library.names())
def test_a_profile_that_extends_another_is_shown_whole(name: str) -> None:
    loaded = profile.load(name)
    shown = profile.resolved(loaded.profile).decode()
    assert "extends" not in shown
    assert profile.parse(shown, "shown.yaml").profile == loaded.profile


@pytest.mark.parametrize("text", [STARTED, RUNNING, MADE], ids=["started", "running", "made"])
def test_a_stored_plan_is_the_same_plan(text: str) -> None:
    made = make(text)
    assert Plan.model_validate_json(made.to_json()) == made


def test_the_same_profile_gives_the_same_plan() -> None:
    assert make(STARTED) == make(STARTED)


def test_rounds_stand_in_the_order_of_the_profile() -> None:
    made = make(STARTED, "load.rounds=2")
    assert [entry.id for entry in made.rounds] == [
        "128-512-c1/round-1",
        "128-512-c1/round-2",
        "128-512-c2/round-1",
        "128-512-c2/round-2",
        "2k-3k-c4/round-1",
        "2k-3k-c4/round-2",
    ]
    assert [case.id for case in made.cases] == ["128-512-c1", "128-512-c2", "2k-3k-c4"]
    assert made.rounds_per_case == 2


def test_each_round_has_a_seed_of_its_own_and_the_first_has_the_profiles() -> None:
    made = make(STARTED, "load.rounds=3", "load.seed=7")
    assert [entry.order.seed for entry in made.rounds[:3]] == [7, 8, 9]
    for entry in made.rounds:
        words = entry.program.argv
        assert words[words.index("--seed") + 1] == str(entry.order.seed)


def test_each_client_sends_as_many_requests_as_the_profile_says() -> None:
    made = make(STARTED, "load.requests_per_client=5")
    assert [(entry.case.concurrency, entry.case.requests) for entry in made.rounds] == [(1, 5), (2, 10), (4, 20)]


def test_placeholders_are_filled() -> None:
    made = make(MADE)
    assert made.model is not None
    assert made.server is not None
    where = made.model.directory
    assert where.startswith("/cache/models/sglang-")
    arguments = made.server.program.argv[len(ENGINES["sglang"].COMMAND) :]
    assert arguments == ("--model-path", where, "--host", "127.0.0.1", "--port=8001")
    assert made.tokenizer == where
    assert made.target.model == where
    assert made.target.url == "http://127.0.0.1:8001"
    assert Mount(path=where) in made.server.program.mounts


@pytest.mark.parametrize(
    ("runtime", "settings", "host"),
    [
        ("process", (), "127.0.0.1"),
        ("docker", (), "0.0.0.0"),
        ("docker", ("server.container.network=host",), "127.0.0.1"),
    ],
)
def test_a_server_listens_beyond_loopback_only_in_a_network_of_its_own(
    runtime: Literal["process", "docker"], settings: tuple[str, ...], host: str
) -> None:
    made = make(MADE, *settings, runtime=runtime)
    assert made.server is not None
    words = made.server.program.argv
    assert words[words.index("--host") + 1] == host
    assert made.target.url == "http://127.0.0.1:8001"


def test_another_maker_makes_another_model() -> None:
    one = make(MADE).model
    other = make(MADE, "server.image=another").model
    assert one is not None
    assert other is not None
    assert one.directory != other.directory


@pytest.mark.parametrize(
    ("setting", "model"),
    [
        ("server.model=own", "own"),
        ("server.args.2=[--served-model-name, served]", "served"),
        ("server.args.2=[--served-model-name=served]", "served"),
        ("load.rounds=1", "/models/tiny"),
    ],
)
def test_the_model_is_asked_for_by_the_name_that_the_server_answers_to(setting: str, model: str) -> None:
    made = make(STARTED, setting)
    assert made.target.model == model
    words = made.rounds[0].program.argv
    assert words[words.index("--model") + 1] == model


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"])
def test_a_url_is_taken_with_or_without_its_version(url: str) -> None:
    assert make(RUNNING, f"server.url={url}").target.url == "http://h:1"


def test_an_endpoint_that_already_runs_gets_no_server() -> None:
    made = make(RUNNING)
    assert made.server is None
    assert [environment.name for environment in made.environments] == ["evalscope"]


def test_a_key_is_handed_over_by_name_only() -> None:
    made = make(RUNNING, "server.api_key={env: MY_KEY}")
    assert {entry.program.secrets for entry in made.rounds} == {("KIT_API_KEY",)}
    assert all(not entry.program.secrets for entry in make(RUNNING).rounds)


def test_a_relative_tokenizer_is_found_from_wherever_a_program_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert make(RUNNING, "load.tokenizer=tok/x/../y").tokenizer == f"{tmp_path}/tok/y"
    assert make(RUNNING, "load.tokenizer=~/tok").tokenizer == "/home/somebody/tok"
    made = make(RUNNING, "load.tokenizer=./tok")
    assert made.rounds[0].program.mounts == (Mount(path=f"{tmp_path}/tok"),)


def test_the_engines_version_is_the_profiles_or_the_locked_one() -> None:
    assert make(STARTED).engine_version == "1.10"
    assert make(STARTED, "server.version=").engine_version is None
    smoke = Path(profile.load("smoke").source).read_text("utf-8")
    assert make(smoke).engine_version == "1.2.3"


@pytest.mark.parametrize("name", [name for name, engine in ENGINES.items() if engine.STARTS])
def test_every_engine_that_is_started_gives_a_server(name: str) -> None:
    made = make(STARTED, f"server.engine={name}", "server.model=m")
    assert made.server is not None
    assert made.server.program.argv[: len(ENGINES[name].COMMAND)] == ENGINES[name].COMMAND
    assert made.server.health_path == "/health"


def test_an_engine_that_is_an_image_only_is_told_with_the_runtime_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "image.toml").write_text("schema = 1\n")
    with pytest.raises(UsageError) as caught:
        sources.find(tmp_path, "engine", "3.3.1")
    assert "engine/3.3.1 is an image only" in caught.value.message
    assert "--runtime docker" in caught.value.hint


PINNED = "server.container.cpuset=0-31,64-95"


def pinned(made: Plan) -> tuple[str | None, set[str | None]]:
    """The CPUs of the server, and those of the load in all rounds."""
    server = made.server.program.container.cpuset if made.server is not None else None
    return server, {entry.program.container.cpuset for entry in made.rounds}


@pytest.mark.parametrize("runtime", ["process", "docker"])
def test_the_load_gets_the_cpus_that_the_server_is_not_pinned_to(runtime: Literal["process", "docker"]) -> None:
    made = make(STARTED, PINNED, runtime=runtime, cpus="0-127")
    assert pinned(made) == ("0-31,64-95", {"32-63,96-127"})
    assert pinned(make(STARTED, PINNED, runtime=runtime, cpus="0-63,64-96")) == ("0-31,64-95", {"32-63,96"})


def test_the_load_may_have_cpus_of_its_own() -> None:
    assert pinned(make(STARTED, PINNED, "load.cpuset=40-41", cpus="0-127")) == ("0-31,64-95", {"40-41"})
    assert pinned(make(STARTED, "load.cpuset=0", cpus="0-127")) == (None, {"0"})
    assert pinned(make(RUNNING, "load.cpuset=1", cpus="0-1")) == (None, {"1"})


def test_nothing_is_pinned_unasked() -> None:
    assert pinned(make(STARTED, cpus="0-127")) == (None, {None})


def test_cpus_of_server_and_load_that_overlap_are_refused_by_name() -> None:
    with pytest.raises(ProfileError) as caught:
        make(STARTED, PINNED, "load.cpuset=30-33,95-96", cpus="0-127")
    (problem,) = caught.value.problems
    assert problem.where == "load.cpuset (from --set)"
    assert problem.what.startswith("the server has CPU 30-31,95 too (server.container.cpuset)")


@pytest.mark.parametrize(
    ("settings", "cpus", "said"),
    [
        ((PINNED,), "0-31,64-95", "server.container.cpuset 0-31,64-95 is all CPUs of this machine: none is left"),
        ((PINNED,), "0-79", "server.container.cpuset names CPU 80-95, and this machine has 0-79"),
        (("load.cpuset=2",), "0-1", "load.cpuset names CPU 2, and this machine has 0-1"),
        ((PINNED,), "", "not which CPUs this machine has: none is left for the load generator"),
    ],
    ids=["all", "server-absent", "load-absent", "unknown"],
)
def test_cpus_that_are_not_there_are_refused_before_anything_starts(
    settings: tuple[str, ...], cpus: str, said: str
) -> None:
    with pytest.raises(HostError) as caught:
        make(STARTED, *settings, cpus=cpus)
    assert said in caught.value.message


def test_the_cpus_of_both_are_known_where_the_machines_are_not() -> None:
    assert pinned(make(STARTED, PINNED, "load.cpuset=40")) == ("0-31,64-95", {"40"})


# --- what is doubtful before anything is run ---------------------------------------------------------------------

SGLANG = """\
schema: 1
name: tiny
server:
  engine: sglang
  image: sglang
  port: 8001
  args: [[--model-path, /models/m], [--port, "{port}"]]
load:
  tokenizer: /models/m
  cases: [{input: 128, output: 8, concurrency: [1, 2]}]
"""


def _with(text: str, *words: str) -> str:
    return text.replace('"{port}"]', f'"{{port}}"], [{", ".join(words)}]')


LLAMACPP = SGLANG.replace("sglang", "llamacpp").replace("--model-path", "--served-model-name")
VLLM = SGLANG.replace("sglang", "vllm-ascend").replace("--model-path", "--model")


AT_A_RATE = "load.cases=[{input: 1k, output: 1k, concurrency: 1}, {input: 1k, output: 1k, rate: 4, requests: 9}]"


def caveats(text: str, *settings: str) -> tuple[list[str], str | None]:
    """The kinds of doubt of a plan, and where its prefix cache is emptied."""
    made = make(text, *settings)
    assert made.server is not None
    return [found.kind for found in made.caveats], made.server.flush_path


@pytest.mark.parametrize(
    ("text", "settings", "kinds", "path"),
    [
        pytest.param(SGLANG, (), [], "/flush_cache", id="SGLang empties its cache"),
        pytest.param(_with(SGLANG, "--disable-radix-cache"), (), [], None, id="SGLang without a cache"),
        pytest.param(LLAMACPP, (), [], None, id="llama.cpp without a cache"),
        pytest.param(_with(LLAMACPP, "--prompt-cache"), (), ["caveat-shared-prompts"], None, id="llama.cpp with one"),
        pytest.param(VLLM, (), ["caveat-shared-prompts"], None, id="vLLM as it is"),
        pytest.param(VLLM, ("server.env={VLLM_SERVER_DEV_MODE: 1}",), [], "/reset_prefix_cache", id="vLLM for tests"),
        pytest.param(_with(VLLM, "--no-enable-prefix-caching"), (), [], None, id="vLLM without a cache"),
        pytest.param(VLLM, ("load.seeds=per-case",), [], None, id="other prompts for each case"),
        pytest.param(VLLM, ("load.cases.0.concurrency=2",), [], None, id="a single case"),
        pytest.param(
            _with(SGLANG, "--speculative-algorithm", "NEXTN"), (), ["caveat-speculative"], "/flush_cache", id="MTP"
        ),
        pytest.param(SGLANG, (AT_A_RATE, "load.rounds=2"), [], "/flush_cache", id="two rounds at a rate"),
        pytest.param(
            SGLANG,
            (AT_A_RATE, "load.rounds=auto(2%)"),
            ["caveat-rounds-rate"],
            "/flush_cache",
            id="rounds by the throughput of what is sent at a rate",
        ),
        pytest.param(SGLANG, ("load.rounds=auto(2%)",), [], "/flush_cache", id="rounds by throughput"),
    ],
)
def test_what_is_doubtful_is_known_before_anything_is_run(
    text: str, settings: tuple[str, ...], kinds: list[str], path: str | None
) -> None:
    assert caveats(text, *settings) == (kinds, path)


def test_cases_may_have_prompts_of_their_own_in_every_round() -> None:
    made = make(
        STARTED, "load.rounds=2", "load.seeds=per-case", "load.warmup={rounds: 1}", "load.cases.0.concurrency=[1, 2]"
    )
    seeds = [entry.order.seed for entry in (*made.rounds, *made.warmups)]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == 42
