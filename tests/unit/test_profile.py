"""Profiles: every problem at once, in words that lead to the place."""

import re
from pathlib import Path

import pytest

from kit import profile
from kit.errors import Problem, ProfileError
from kit.model import Length, Until
from tests.unit.profiles import RUNNING, STARTED, parse, problems

# --- reading -----------------------------------------------------------------------------------------------------


def test_a_profile_says_what_it_says() -> None:
    found = parse(STARTED)
    assert found.server.version == "1.10"
    assert found.server.env == (("HCCL_OP_EXPANSION_MODE", "AIV"),)
    assert found.server.args[2:4] == (("--max-total-tokens", "190000"), ("--mem-fraction-static", "0.92"))
    assert [case.id for case in found.load.expanded()] == ["128-512-c1", "128-512-c2", "2k-3k-c4"]


def test_2k_means_2000_tokens_and_keeps_its_label() -> None:
    case = parse(STARTED).load.expanded()[2]
    assert (case.input.tokens, case.input.label, case.output.tokens) == (2000, "2k", 3000)


def test_every_wrong_field_is_told_at_once_with_its_path_and_line() -> None:
    text = """\
schema: 1
name: Not Plain
server:
  engin: sglang
  port: 70000
load:
  rounds: 0
  tokenizer: /t
  cases:
    - {input: 2kk, output: 0, concurrency: [1, 0]}
    - {input: 128, concurrency: 1}
"""
    assert problems(text) == [
        "name (line 2): use lower-case letters, digits, dots and dashes, 80 at most",
        "server.engine (line 3): is missing",
        "server.port (line 5): input should be less than 65536, found 70000",
        "server.engin (line 4): unknown field (did you mean 'engine'?)",
        "load.rounds (line 7): input should be greater than 0, found 0",
        "load.cases.0.input (line 10): '2kk' is not a number of tokens; write 1024 or 2k (k = 1000)",
        "load.cases.0.output (line 10): '0' must be between 1 and 10000000 tokens",
        "load.cases.0.concurrency (line 10): concurrency must be between 1 and 100000, found 0",
        "load.cases.1.output (line 11): is missing",
    ]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("servr=1", "servr (from --set): unknown field (did you mean 'server'?)"),
        ("load.case=1", "load.case (from --set): unknown field (did you mean 'cases'?)"),
        (
            "load.cases.0.concurency=1",
            "load.cases.0.concurency (from --set): unknown field (did you mean 'concurrency'?)",
        ),
        ("server.container.privilegd=true", "unknown field (did you mean 'privileged'?)"),
        ("server.api_key={environment: X}", "server.api_key.environment (from --set): unknown field"),
        ("zzz=1", "zzz (from --set): unknown field (kit profile schema lists them)"),
    ],
)
def test_an_unknown_field_is_told_with_its_nearest_name(setting: str, said: str) -> None:
    assert any(said in problem for problem in problems(STARTED, setting))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("load.cases.0.input=0", "must be between 1 and"),
        ("load.cases.0.input=-5", "is not a number of tokens"),
        ("load.cases.0.input=2kk", "is not a number of tokens"),
        ("load.cases.0.input=1.5", "is not a whole number of tokens"),
        ("load.cases.0.input=1.0005k", "is not a whole number of tokens"),
        ("load.cases.0.input=true", "expected a number of tokens"),
        ("load.cases.0.input=[1]", "expected a number of tokens"),
        ("load.cases.0.input=99999k", "must be between 1 and"),
        (f"load.cases.0.input=1{'0' * 400}", "is not a number of tokens"),
        ("load.cases.0.concurrency=0", "found 0"),
        ("load.cases.0.concurrency=[]", "load.cases.0.concurrency (from --set): is empty"),
        ("load.cases.0.concurrency=-1", "found -1"),
        ("load.cases.0.concurrency=1.5", "expected a whole number or a list of them such as [1, 2, 4], found '1.5'"),
        ("load.cases=[]", "load.cases (from --set): is empty"),
        ("load.rounds=1001", "less than or equal to 1000"),
        ("load.rounds=auto", "'auto': write a number of rounds, or auto(2%, max=10)"),
        ("load.rounds='auto(2)'", "'auto(2)': write a number of rounds, or auto(2%, max=10)"),
        ("load.rounds='auto(0%)'", "greater than 0"),
        ("load.rounds='auto(2%, max=1001)'", "less than or equal to 1000"),
        ("load.rounds='auto(2%, max=2)'", "at most 2 are allowed, and 3 are the fewest"),
        ("load.rounds='auto(2%, min=2)'", "greater than or equal to 3"),
        ("load.rounds='auto(2%, min=5, max=4)'", "at most 4 are allowed, and 5 are the fewest"),
        ("load.warmup={requests: -1}", "load.warmup.requests"),
        ("load.read_timeout=5 minutes", "is not a duration; write 90s, 60m or 2h"),
        ("load.read_timeout=0s", "at least 1 ms"),
        ("load.read_timeout=-1", "at least 1 ms"),
        ("load.read_timeout=31d", "is not a duration"),
        ("load.read_timeout=721h", "at most 30 days"),
        ("load.seed=-1", "load.seed"),
        ("schema=2", "schema (from --set): input should be 1, found 2"),
        ("schema=", "schema (from --set)"),
        ("name=../x", "name (from --set)"),
        ("report.language=fr", "report.language"),
        ("machine.architecture=riscv", "machine.architecture"),
        ("server.args=[[]]", "an empty list is not an argument"),
        ("server.env={1A: x}", "'1A' is not a name of an environment variable"),
        ("server.env=[[A, x], [A, y]]", "a variable stands here twice"),
        ("server.mounts=[models]", "an absolute path below / without .. is needed"),
        ("server.mounts=['/models:wx']", "write a path, or path:rw"),
        ("server.mounts=[/a/../b]", "an absolute path"),
        *(
            (f"server.mounts=[{path}]", "no container gets the container engine's socket")
            for path in (
                *(
                    "/var/run/docker.sock",
                    "/run/docker.sock:rw",
                    "/run//docker.sock",
                    "/home/me/docker-2.sock",
                    "/run/",
                ),
                *("/var/run", "/var", "/var/lib", "/var/lib/docker", "/run/user/1000", "/run/podman/podman.sock"),
            )
        ),
        ("server.container.cpus=.inf", "server.container.cpus"),
        ("server.container.ulimits={memlock: many}", "memlock: 'many' is not a number"),
        ("server.container.memory=lots", "'lots' is not a size"),
    ],
)
def test_a_value_that_cannot_be_is_told(setting: str, said: str) -> None:
    found = problems(STARTED, setting)
    assert len(found) == 1, found
    assert said in found[0]


def test_rounds_may_be_repeated_until_the_throughput_is_known_well_enough() -> None:
    load = profile.parse(STARTED, "p.yaml", ["load.rounds='auto(1.5%, min=4, max=20)'"]).profile.load
    assert (load.rounds, load.until) == (20, Until(half_width=0.015, least=4))
    load = profile.parse(STARTED, "p.yaml", ["load.rounds='auto(2%)'"]).profile.load
    assert (load.rounds, load.until) == (10, Until(half_width=0.02, least=5))
    load = profile.parse(STARTED, "p.yaml", ["load.rounds='auto(2%, max=4)'"]).profile.load
    assert (load.rounds, load.until) == (4, Until(half_width=0.02, least=4))


def test_a_profile_with_repeated_rounds_says_the_same_when_it_is_read_back() -> None:
    loaded = profile.parse(STARTED, "p.yaml", ["load.rounds='auto(2%, max=12)'", "load.warmup={requests: 8}"])
    again = profile.parse(profile.resolved(loaded.profile).decode(), "p.yaml")
    assert again.profile == loaded.profile


def test_a_star_sets_every_element_and_is_told_as_set() -> None:
    assert [found.split(":")[0] for found in problems(STARTED, "load.cases.*.input=0")] == [
        "load.cases.0.input (from --set)",
        "load.cases.1.input (from --set)",
    ]


def test_only_kits_own_transport_sends_from_several_processes() -> None:
    [said] = problems(STARTED, "load.processes=4", "load.transport=evalscope")
    assert said.endswith("evalscope sends from one process; only with transport: precise there can be more")
    assert parse(STARTED, "load.processes=4").load.processes == 4
    assert parse(STARTED, "load.transport=evalscope").load.processes == "auto"


def test_the_same_case_twice_is_refused_however_it_is_written() -> None:
    assert problems(STARTED, "load.cases.0.concurrency=[1, 1]") == [
        "load.cases (line 17): the case 128-512-c1 stands here twice (also as 128-512-c1)"
    ]
    found = problems(STARTED, "load.cases.0={input: 2000, output: 3000, concurrency: 4}")
    assert found == ["load.cases (line 17): the case 2k-3k-c4 stands here twice (also as 2000-3000-c4)"]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("60m", 3600), ("2h", 7200), ("250ms", 0.25), ("1.5m", 90), ("90", 90), ("'120.0'", 120), (" 5s", 5)],
)
def test_durations_become_seconds(written: str, seconds: float) -> None:
    assert parse(STARTED, f"server.ready_timeout={written}").server.ready_timeout == seconds


@pytest.mark.parametrize(("written", "tokens"), [("1.001k", 1001), ("0.5k", 500), ("2K", 2000), ("2.0", 2), ("007", 7)])
def test_lengths_are_exact(written: str, tokens: int) -> None:
    assert Length.model_validate(written) == Length(tokens=tokens, label=written)


@pytest.mark.parametrize(("written", "size"), [("512m", 512 * 2**20), ("16g", 2**34), ("1T", 2**40), ("4096", 4096)])
def test_sizes_are_powers_of_1024(written: str, size: int) -> None:
    assert parse(STARTED, f"server.container.shm_size={written}").server.container.shm_size == size


def test_a_mount_is_read_only_unless_stated() -> None:
    mounts = parse(STARTED, "server.mounts=[/models, '/cache:rw', '/x:ro']").server.mounts
    assert [(mount.path, mount.writable) for mount in mounts] == [("/models", False), ("/cache", True), ("/x", False)]


# --- what is told beside fields that are wrong ---------------------------------------------------------------------


def test_what_is_wrong_beside_a_wrong_field_is_told_with_it(tmp_path: Path) -> None:
    """A misspelt field hides neither names that do not exist, nor fields that do not agree, nor files that are not there."""
    text = STARTED.replace("  port: 8001", "  prot: 8001\n  port: eight").replace("engine: sglang", "engine: sglan")
    text = text.replace("load:", "load:\n  version: 9.9.9\n  rounds: 2\n  until: {half_width: 0.1, least: 3}")
    text += "    - {input: 1, output: none, concurrency: 1}\n    - {input: 128, output: 512, concurrency: 1}\n"
    text += "    - {input: 1, output: 1, concurrency: 1, prompts: gone.jsonl}\n"
    text += "acceptance:\n  tolerance: {ttft: +10%}\n  limits: [ttft <= 3 min]\n"
    path = tmp_path / "p.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ProfileError) as caught:
        profile.load(str(path), also=lambda found: [Problem("server.image", f"is {found.server.image}")])
    assert [str(problem).partition(":")[0] for problem in caught.value.problems] == [
        "server.port (line 8)",
        "server.prot (line 7)",
        "load.cases.2.output (line 24)",
        "acceptance.limits.0 (line 29)",
        "load.cases.4.prompts (line 26)",
        "server.engine (line 4)",
        "load.version (line 17)",
        "load.rounds (line 18)",
        "load.cases (line 21)",
        "acceptance.baseline (line 27)",
        "server.image (line 6)",
    ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("server.port=x", "server.args.1=[--port, 9]"), ["server.port"]),
        (("server.args.0=1",), ["server.args.0"]),
        (("server.args=1",), ["server.args"]),
        (("server.make_model=[]", "load.tokenizer='{model}'"), ["server.make_model"]),
        (("server.engine=[]",), ["server.engine"]),
        (("server=1", "load.tokenizer='{model}'"), ["server"]),
        (("server=1", "load=1"), ["server", "load"]),
        (("load.tokenizer=[]",), ["load.tokenizer"]),
        (("load.cases=[]", "load.version=9.9.9"), ["load.cases", "load.version"]),
        (("load.cases=[1, 2]",), ["load.cases.0", "load.cases.1"]),
        (("load.rounds=0", "load.until={half_width: 0.1}"), ["load.rounds"]),
        (("load.rounds='auto(2%)'", "load.until={half_width: 0.1}", "load.version=9.9.9"), ["load.rounds", "load.version"]),
        (("load.rounds='auto(0%)'", "server.engine=x"), ["load.until.half_width", "server.engine"]),
        (("acceptance.baseline=[]", "acceptance.tolerance={ttft: +1%}"), ["acceptance.baseline"]),
        (("machine.accelerator={kind: ascend, count: 0}", "server.engine=x"), ["machine.accelerator.count", "server.engine"]),
        (("server.api_key={env: 1}",), ["server.api_key.env"]),
        (("schema=2", "name=A", "server.engine=x"), ["schema", "name", "server.engine"]),
    ],
)  # fmt: skip
def test_nothing_is_told_of_what_a_wrong_field_leaves_open(settings: tuple[str, ...], told: list[str]) -> None:
    assert [re.split("[ :]", problem)[0] for problem in problems(STARTED, *settings)] == told


# --- rules between fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.1.1", "1.2.0", "1.3.0"])
def test_versions_of_evalscope_that_measure_wrongly_are_refused_with_the_reason(version: str) -> None:
    [found] = problems(STARTED, f"load.version={version}")
    assert found.startswith(f"load.version (from --set): evalscope {version}: its throughput at concurrency 1 is wrong")
    assert "use one of 1.0.1, 1.14.1" in found


def test_a_version_of_evalscope_that_kit_has_never_read_is_refused() -> None:
    assert problems(STARTED, "load.version=9.9.9") == [
        "load.version (from --set): evalscope 9.9.9: kit does not know how this version writes its results; it knows 1.0.1, 1.14.1"
    ]


def test_unknown_engine_and_generator_are_told_with_their_nearest_names() -> None:
    found = problems(STARTED, "server.engine=sglan", "load.generator=evalscop")
    assert found[0].startswith("server.engine (from --set): unknown: 'sglan' (did you mean 'sglang'? there are: ")
    assert (
        found[1] == "load.generator (from --set): unknown: 'evalscop' (did you mean 'evalscope'? there are: evalscope)"
    )


@pytest.mark.parametrize("flag", ["[--port, 8002]", "[--port=8002]"])
def test_a_port_flag_that_contradicts_the_port_is_refused(flag: str) -> None:
    assert problems(STARTED, f"server.args.1={flag}") == ["server.args (line 9): --port 8002 is not server.port 8001"]


@pytest.mark.parametrize("flag", ["[--port, '{port}']", "['--port={port}']", "[--port, 8001]", "[--port=8001]"])
def test_a_port_flag_may_name_the_port_or_its_placeholder(flag: str) -> None:
    assert parse(STARTED, f"server.args.1={flag}").server.port == 8001


def test_a_server_without_its_port_flag_is_refused_with_what_to_add() -> None:
    assert problems(STARTED, "server.args.1=[--x]") == [
        "server.args (line 9): --port is missing (add [--port, '{port}'])"
    ]


def test_what_a_started_server_needs_is_told_at_once() -> None:
    text = (
        "schema: 1\nname: x\nserver: {engine: vllm-ascend, url: 'http://h', api_key: {env: K}}\n"
        "load: {tokenizer: /t, cases: [{input: 1, output: 1, concurrency: 1}]}"
    )
    assert [problem.partition(" ")[0] for problem in problems(text)] == [
        "server.image",
        "server.port",
        "server.args",
        "server.url",
        "server.api_key",
    ]


def test_a_server_whose_model_has_no_name_is_refused() -> None:
    assert problems(STARTED, "server.args.0=[--x]") == [
        "server.model (line 3): is missing, and server.args has none of --served-model-name, --model-path, --model"
    ]
    assert parse(STARTED, "server.args.0=[--x]", "server.model=m").server.model == "m"


def test_unknown_placeholders_are_refused() -> None:
    assert problems(STARTED, "server.args.2=[--x, '/a/{prot}/b']") == [
        "server.args.2 (from --set): unknown placeholder {prot} (there are {model}, {port}, {host})"
    ]
    assert problems(STARTED, "load.tokenizer='/a/{port}'") == [
        "load.tokenizer (from --set): unknown placeholder {port} (there is {model})"
    ]


def test_json_in_an_argument_is_no_placeholder() -> None:
    words = parse(STARTED, """server.args.2=[--json, '{"a": {"b": 1}, "c": {}}']""").server.args[2]
    assert words == ("--json", '{"a": {"b": 1}, "c": {}}')


def test_the_placeholder_of_a_made_model_needs_one() -> None:
    assert problems(STARTED, "load.tokenizer='{model}'") == [
        "server.make_model (line 3): must be true, since {model} stands in load.tokenizer"
    ]
    assert problems(RUNNING, "load.tokenizer='{model}'") == [
        "load.tokenizer (from --set): {model} is a model that kit makes, and an endpoint that runs has its own"
    ]


def test_a_model_placeholder_in_the_arguments_needs_a_made_model() -> None:
    assert problems(STARTED, "server.args.0=[--model-path, '{model}']") == [
        "server.make_model (line 3): must be true, since {model} stands in server.args"
    ]


@pytest.mark.parametrize("path", ["/", "'.'", "./", "''", "/var/run/docker.sock", "/run"])
def test_a_tokenizer_is_a_directory_of_its_own(path: str) -> None:
    assert problems(STARTED, f"load.tokenizer={path}")[0].startswith("load.tokenizer")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "server.url=",
            "server.url (from --set): is missing: an endpoint that already runs needs it (--set server.url=…)",
        ),
        (
            "server.model=",
            "server.model (from --set): is missing: an endpoint that already runs needs it (--set server.model=…)",
        ),
        ("server.url=127.0.0.1:8001", "server.url (from --set): is not a URL such as http://127.0.0.1:8001"),
        ("server.url=http://user:pass@host/v1", "no user or password belongs in it"),
        ("server.url=ftp://host", "server.url (from --set): is not a URL"),
        ("server.image=sglang", "server.image (from --set): an endpoint that already runs has none"),
        ("server.port=80", "server.port (from --set): an endpoint that already runs has none"),
        ("server.args=[[--x]]", "server.args (from --set): an endpoint that already runs has none"),
        ("server.env={A: b}", "server.env (from --set): an endpoint that already runs has none"),
        ("server.make_model=true", "server.make_model (from --set): an endpoint that already runs has none"),
    ],
)
def test_an_endpoint_that_already_runs_has_its_own_rules(setting: str, said: str) -> None:
    [found] = problems(RUNNING, setting)
    assert said in found
