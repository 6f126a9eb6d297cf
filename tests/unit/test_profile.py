"""Profiles: every problem at once, in words that lead to the place."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kit import library, profile
from kit.errors import KitError, ProfileError, UsageError
from kit.model import Length, Profile, Until

STARTED = """\
schema: 1
name: tiny
server:
  engine: sglang
  version: 1.10
  image: sglang
  port: 8001
  env: {HCCL_OP_EXPANSION_MODE: AIV}
  args:
    - [--model-path, /models/tiny]
    - [--port, "{port}"]
    - [--max-total-tokens, 190000]
    - [--mem-fraction-static, 0.92]
    - [--trust-remote-code]
load:
  tokenizer: /models/tiny
  cases:
    - {input: 128, output: 512, concurrency: [1, 2]}
    - {input: 2k, output: 3k, concurrency: 4}
"""
RUNNING = """\
schema: 1
name: there
server:
  engine: endpoint
  url: http://127.0.0.1:8001
  model: m
load:
  tokenizer: /models/tiny
  cases:
    - {input: 128, output: 512, concurrency: 1}
"""


def parse(text: str, *settings: str) -> Profile:
    return profile.parse(text, "p.yaml", settings).profile


def problems(text: str, *settings: str) -> list[str]:
    with pytest.raises(ProfileError) as caught:
        parse(text, *settings)
    return [str(problem) for problem in caught.value.problems] or [caught.value.message]


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
        "load (line 15): the case 128-512-c1 stands here twice (also as 128-512-c1)"
    ]
    found = problems(STARTED, "load.cases.0={input: 2000, output: 3000, concurrency: 4}")
    assert found == ["load (line 15): the case 2k-3k-c4 stands here twice (also as 2000-3000-c4)"]


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


# --- rules between fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.1.1", "1.2.0", "1.3.0"])
def test_versions_of_evalscope_that_measure_wrongly_are_refused_with_the_reason(version: str) -> None:
    [found] = problems(STARTED, f"load.version={version}")
    assert found.startswith(f"load.version: evalscope {version}: its throughput at concurrency 1 is wrong")
    assert "use one of 1.0.1, 1.14.1" in found


def test_a_version_of_evalscope_that_kit_has_never_read_is_refused() -> None:
    assert problems(STARTED, "load.version=9.9.9") == [
        "load.version: evalscope 9.9.9: kit does not know how this version writes its results; it knows 1.0.1, 1.14.1"
    ]


def test_unknown_engine_and_generator_are_told_with_their_nearest_names() -> None:
    found = problems(STARTED, "server.engine=sglan", "load.generator=evalscop")
    assert found[0].startswith("server.engine: unknown: 'sglan' (did you mean 'sglang'? there are: ")
    assert found[1] == "load.generator: unknown: 'evalscop' (did you mean 'evalscope'? there are: evalscope)"


@pytest.mark.parametrize("flag", ["[--port, 8002]", "[--port=8002]"])
def test_a_port_flag_that_contradicts_the_port_is_refused(flag: str) -> None:
    assert problems(STARTED, f"server.args.1={flag}") == ["server.args: --port 8002 is not server.port 8001"]


@pytest.mark.parametrize("flag", ["[--port, '{port}']", "['--port={port}']", "[--port, 8001]", "[--port=8001]"])
def test_a_port_flag_may_name_the_port_or_its_placeholder(flag: str) -> None:
    assert parse(STARTED, f"server.args.1={flag}").server.port == 8001


def test_a_server_without_its_port_flag_is_refused_with_what_to_add() -> None:
    assert problems(STARTED, "server.args.1=[--x]") == ["server.args: --port is missing (add [--port, '{port}'])"]


def test_what_a_started_server_needs_is_told_at_once() -> None:
    text = (
        "schema: 1\nname: x\nserver: {engine: vllm-ascend, url: 'http://h', api_key: {env: K}}\n"
        "load: {tokenizer: /t, cases: [{input: 1, output: 1, concurrency: 1}]}"
    )
    assert [problem.partition(":")[0] for problem in problems(text)] == [
        "server.image",
        "server.port",
        "server.args",
        "server.url",
        "server.api_key",
    ]


def test_a_server_whose_model_has_no_name_is_refused() -> None:
    assert problems(STARTED, "server.args.0=[--x]") == [
        "server.model: is missing, and server.args has none of --served-model-name, --model-path, --model"
    ]
    assert parse(STARTED, "server.args.0=[--x]", "server.model=m").server.model == "m"


def test_unknown_placeholders_are_refused() -> None:
    assert problems(STARTED, "server.args.2=[--x, '/a/{prot}/b']") == [
        "server.args.2: unknown placeholder {prot} (there are {model}, {port}, {host})"
    ]
    assert problems(STARTED, "load.tokenizer='/a/{port}'") == [
        "load.tokenizer: unknown placeholder {port} (there is {model})"
    ]


def test_json_in_an_argument_is_no_placeholder() -> None:
    words = parse(STARTED, """server.args.2=[--json, '{"a": {"b": 1}, "c": {}}']""").server.args[2]
    assert words == ("--json", '{"a": {"b": 1}, "c": {}}')


@pytest.mark.parametrize("text", [STARTED, RUNNING], ids=["started", "running"])
def test_the_placeholder_of_a_made_model_needs_one(text: str) -> None:
    assert problems(text, "load.tokenizer='{model}'") == [
        "load.tokenizer: {model} is the model that kit makes, and server.make_model is not true"
    ]


def test_a_model_placeholder_in_the_arguments_needs_a_made_model() -> None:
    assert problems(STARTED, "server.args.0=[--model-path, '{model}']") == [
        "server.make_model: must be true, since {model} stands in server.args"
    ]


@pytest.mark.parametrize("path", ["/", "'.'", "./", "''", "/var/run/docker.sock", "/run"])
def test_a_tokenizer_is_a_directory_of_its_own(path: str) -> None:
    assert problems(STARTED, f"load.tokenizer={path}")[0].startswith("load.tokenizer")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("server.url=", "server.url: is missing: an endpoint that already runs needs it (--set server.url=…)"),
        ("server.model=", "server.model: is missing: an endpoint that already runs needs it (--set server.model=…)"),
        ("server.url=127.0.0.1:8001", "server.url: is not a URL such as http://127.0.0.1:8001"),
        ("server.url=http://user:pass@host/v1", "no user or password belongs in it"),
        ("server.url=ftp://host", "server.url: is not a URL"),
        ("server.image=sglang", "server.image: an endpoint that already runs has none"),
        ("server.port=80", "server.port: an endpoint that already runs has none"),
        ("server.args=[[--x]]", "server.args: an endpoint that already runs has none"),
        ("server.env={A: b}", "server.env: an endpoint that already runs has none"),
        ("server.make_model=true", "server.make_model: an endpoint that already runs has none"),
    ],
)
def test_an_endpoint_that_already_runs_has_its_own_rules(setting: str, said: str) -> None:
    [found] = problems(RUNNING, setting)
    assert said in found


# --- secrets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        "server.env={OPENAI_API_KEY: sk-1}",
        "server.env={HF_TOKEN: hf_1}",
        "server.env={DB_PASSWORD: x}",
        "server.env={AWS_SECRET_ACCESS_KEY: x}",
        "server.env={apikey: x}",
        "server.args.2=[--api-key, sk-1]",
        "server.args.2=[--api-key=sk-1]",
        "server.args.2=['--api_key=sk-1', --more]",
        "server.args.2=[--api-key]",
        "server.args.2=[--admin-api-key, sk-1]",
        "server.args.2=[--auth-token, x]",
        "server.args.2=[x, --password, y]",
        "server.env={HTTPS_PROXY: 'http://me:sk-1@proxy:3128'}",
        "server.args.2=[--model-url, 'https://me:sk-1@host/m']",
        'server.args.2=[--json, \'{"api_key": "sk-1"}\']',
        "server.args.2=[--header, 'Authorization: Bearer sk-1']",
        "server.args.2=[--anything, sk-12345678901234567890123]",
        "server.env={TOKEN: x-sk-1}",
        "server.env={OPENAI_KEY: x}",
        "server.env={PGPASSWORD: x}",
        "server.env={MYSQL_PWD: x}",
        "server.env={DB_PASS: x}",
        "server.env={PASSPHRASE: x}",
        "server.env={CREDENTIALS: x}",
        "server.env={OPTS: '--api-key=sk-1'}",
        "server.env={REPOSITORY: 'https://sk-1@host/m'}",
        "server.env={ANY: glpat-12345678901234567890}",
        "server.env={ANY: 'xoxb-1234567890-abc'}",
        "server.env={ANY: '-----BEGIN RSA PRIVATE KEY-----'}",
        "server.args.2=[--token, x]",
        "server.args.2=[--api-keys, x]",
        "server.args.2=[--header, 'X-Api-Key: sk-1']",
        'server.args.2=[--json, \'{"token": "sk-1"}\']',
        "server.args.2=[--hook, 'http://h/v1?token=sk-1']",
        "server.args.2=[--litellm-master-key, sk-1]",
        "server.args.2=[--master-key=sk-1]",
        "server.args.2=[--signing-key, sk-1]",
        "server.args.2=[--encryption-key, sk-1]",
        "server.args.2=[--auth, 'me:sk-1']",
        "server.args.2=[--basic-auth, sk-1]",
        "server.args.2=[--api-key-list, sk-1]",
        "server.args.2=[--secrets, sk-1]",
        "server.args.2=[--apiKey, sk-1]",
        "server.args.2=[--server.api-key, sk-1]",
        "server.args.2=[--ssl-keyfile-password, sk-1]",
        "server.args.2=[-e, SSHPASS=sk-1]",
        "server.args.2=[-e, API_KEY_1=sk-1]",
        "server.args.2=[--header, 'Cookie: session=sk-1']",
        "server.args.2=[--hook, 'https://hooks.slack.com/services/T000/B000/sk-1']",
        "server.args.2=[--hook, 'https://open.feishu.cn/open-apis/bot/v2/hook/sk-1']",
        "server.args.2=[--hook, 'https://h/x?v=1&sig=sk-1']",
        "server.args.2=[--hook, 'https://h/x?X-Amz-Signature=sk-1']",
        *(
            f"server.env={{{name}: sk-1}}"
            for name in (
                "API_KEY_1",
                "HF_TOKEN_READ",
                "PASSWORD_DB",
                "SECRETS",
                "JWT",
                "SECRET_KEY_BASE",
                "AUTH",
                "SSHPASS",
                "PGPASS",
                "REDISCLI_AUTH",
                "MASTER_KEY",
                "DB_PASS_2",
            )
        ),
    ],
)
def test_a_secret_in_a_profile_is_refused(setting: str) -> None:
    [found] = problems(STARTED, setting)
    assert "looks like a secret" in found
    assert "sk-1" not in found


@pytest.mark.parametrize(
    "setting",
    [
        "server.args.2=[--max-total-tokens, 190000]",
        "server.args.2=[--chunked-prefill-size, 8192]",
        "server.args.2=[--eos-token, x]",
        "server.args.2=[--pad-token=x]",
        'server.args.2=[--json, \'{"api_key": "EMPTY", "pad_token": "x"}\']',
        "server.env={USE_TOKEN: '1', SOME_KEY: 'false'}",
        "server.args.2=[--api-key-file, /run/key]",
        "server.env={TOKENIZERS_PARALLELISM: 'false'}",
        "server.env={OPENAI_API_KEY: ''}",
        "server.env={KEYBOARD: x}",
        "server.args.2=[--max-token-budget, x]",
        "server.args.2=[--tokenizer, /models/tokenizer]",
        "server.args.2=[--tokens-per-step, x]",
        "server.args.2=[--auth-mode, none]",
        "server.args.2=[--auth, none]",
        "server.args.2=[--auth=basic]",
        "server.args.2=[--keyfile, /run/key]",
        "server.args.2=[--ssl-keyfile, /run/key]",
        "server.args.2=[--password-file, /run/key]",
        "server.args.2=[--api-key-env, NAME]",
        "server.args.2=[--override, key=tp]",
        "server.args.2=[--no-auth]",
        "server.env={VLLM_ALLOW_LONG_MAX_MODEL_LEN: yes, HF_HUB_OFFLINE: yes, HF_TOKEN_PATH: /run/key, SSH_AUTH_SOCK: /s, BYPASS: x}",
        "report.project=基于 2 卡的 basic 8 卡测试, token 速率",
        "report.environment=see https://host/x@2 or mail me@host",
    ],
)
def test_what_only_sounds_like_a_secret_is_not_refused(setting: str) -> None:
    assert parse(STARTED, setting).name == "tiny"


@pytest.mark.parametrize(
    "place",
    [
        *("report.project", "report.environment", "load.tokenizer", "server.model", "server.image", "description"),
        *("server.container.runtime", "server.container.devices.0", "acceptance.baseline"),
    ],
)
@pytest.mark.parametrize(
    "value", ["https://me:sk-1@host/x", "see ://sk-1@h", "glpat-12345678901234567890"], ids=["url", "token", "key"]
)
def test_a_secret_in_any_other_field_is_refused(place: str, value: str) -> None:
    found = problems(STARTED, "server.container.devices=[x]", f"{place}={value}")
    assert any("looks like a secret" in one for one in found), found
    assert "sk-1" not in "".join(found)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("server.args=[--api-key, CANARY]", "found a text of 9 characters"),
        ("server.args=[--api-key, CANARYq9f8w7e6r5t4]", "found a text of 18 characters"),
        ("server.args.2={--api-key: CANARYq9f8w7e6r5t4}", "input should be a valid tuple"),
        ("server.port=CANARYq9f8w7e6r5t4", "found a text of 18 characters"),
        ("server.mounts=['https://u:CANARYq9f8w7e6r5t4@h/x']", "a text of 32 characters: write a path"),
        ("server.mounts=[CANARYq9f8w7e6r5t4]", "a text of 18 characters: an absolute path"),
        ("server.mounts=['/x?api_key=CANARY/../']", "a text of 21 characters: an absolute path"),
        ("server.env=['HF_TOKEN=CANARY']", "input should be a valid tuple"),
        ("server.env={'HF_TOKEN=CANARY': x}", "is not a name of an environment variable"),
        ("server.env={HF_TOKEN: [CANARY]}", "input should be a valid string"),
        ("server.env={A: 1, HF_TOKEN: {value: CANARY}}", "input should be a valid string"),
        ("server.api_key={env: CANARY-q9f8}", "never the secret itself"),
        ("server.api_key={file: [CANARY]}", "input should be a valid string"),
        ("server.container.ulimits={memlock: CANARYq9f8w7e6r5t4}", "a text of 18 characters is not a number"),
        ("load.read_timeout=CANARYq9f8w7e6r5t4", "a text of 18 characters is not a duration"),
        ("load.cases.0.input=CANARYq9f8w7e6r5t4", "a text of 18 characters is not a number of tokens"),
        ("load.cases.0.concurrency=CANARYq9f8w7e6r5t4", "expected a whole number"),
        ("load.api_key=CANARYq9f8w7e6r5t4", "unknown field"),
        ("server.headers={Authorization: Bearer CANARY}", "unknown field"),
    ],
)
def test_an_error_does_not_tell_what_may_be_a_secret(setting: str, told: str) -> None:
    found = problems(STARTED, setting)
    assert any(told in one for one in found), found
    assert "CANARY" not in "".join(found)


@pytest.mark.parametrize(
    "setting", ["server.args.90=[--api-key, CANARY]", "name.x.y=CANARY", "server.port.x=CANARY", "server.args.x=CANARY"]
)
def test_a_setting_that_leads_nowhere_does_not_tell_its_value(setting: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(STARTED, setting)
    assert setting.partition("=")[0] in str(refused.value)
    assert "CANARY" not in str(refused.value)


def test_an_error_tells_a_value_that_is_none() -> None:
    assert "found 'evalscopee'" in problems(STARTED, "load.transport=evalscopee")[0]
    assert "found '80x'" in problems(STARTED, "server.port=80x")[0]
    assert "'/data/../x': an absolute path" in problems(STARTED, "server.mounts=[/data/../x]")[0]


def test_a_key_in_the_url_of_an_endpoint_is_refused() -> None:
    [found] = problems(RUNNING, "server.url=http://h/v1?api_key=sk-live-1234")
    assert "looks like a secret" in found
    assert "sk-live" not in found


def test_a_key_that_is_written_down_is_not_told_again() -> None:
    [found] = problems(RUNNING, "server.api_key=sk-live-1234")
    assert "sk-live" not in found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{env: sk-live-1234}", "never the secret itself"),
        ("{}", "give either env"),
        ("{env: A, file: /b}", "give either env"),
    ],
)
def test_a_key_is_pointed_at_and_never_written(written: str, said: str) -> None:
    [found] = problems(RUNNING, f"server.api_key={written}")
    assert said in found
    assert "sk-live" not in found


# --- files and names ---------------------------------------------------------------------------------------------


def test_an_unknown_profile_is_told_with_its_nearest_name() -> None:
    with pytest.raises(ProfileError, match="did you mean 'smoke'"):
        profile.load("smok")


def test_a_profile_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ProfileError, match=r"there is no profile file \./none\.yaml"):
        profile.load("./none.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(ProfileError, match=r"is not UTF-8 text \(byte 6\)"):
        profile.load(str(path))


def test_a_file_far_too_large_for_a_profile_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ProfileError, match=r"p\.yaml cannot be read: it is larger than 1000000 bytes"):
        profile.load(str(path))


@pytest.mark.parametrize("text", ["- a", "word", "12"])
def test_a_document_that_is_no_mapping_is_no_profile(text: str) -> None:
    assert problems(text) == ["p.yaml does not hold a profile"]


@pytest.mark.parametrize("name", library.names())
def test_every_profile_that_comes_with_kit_is_valid_and_described(name: str) -> None:
    found = profile.load(name)
    assert found.profile.name == name
    assert len(dict(library.descriptions())[name]) > 20


def test_a_profile_in_the_working_directory_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.yaml").write_text(f"description: 'My own'\n{STARTED}")
    monkeypatch.chdir(tmp_path)
    assert profile.load("mine").profile.name == "tiny"
    assert dict(library.descriptions())["mine"] == "My own"


# --- writing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", library.names())
def test_the_resolved_profile_is_the_same_profile(name: str) -> None:
    loaded = profile.load(name)
    again = profile.parse(profile.resolved(loaded.profile).decode(), "resolved")
    assert again.profile == loaded.profile
    assert again.sha256 == loaded.sha256


lengths = st.one_of(
    st.integers(1, 10_000_000).map(str),
    st.integers(1, 10_000).map(lambda thousands: f"{thousands}k"),
    st.integers(1, 9_999_999).map(lambda tokens: f"{tokens / 1000:.3f}k"),
)
durations = st.one_of(
    st.integers(1, 2_592_000).map(lambda seconds: f"{seconds}s"),
    st.integers(1, 43_200).map(lambda minutes: f"{minutes}m"),
    st.integers(1, 10**9).map(lambda ms: f"{ms}ms"),
    st.floats(0.01, 700).map(lambda hours: f"{hours:.4f}h"),
)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0{}"), min_size=1, max_size=20).filter(
    lambda word: not word.startswith("--port")
)


@given(lengths, lengths, durations, st.lists(words, max_size=4), words)
def test_whatever_a_profile_holds_survives_being_written_and_read(
    given_tokens: str, made_tokens: str, duration: str, arguments: list[str], value: str
) -> None:
    data = yaml.safe_load(STARTED)
    data["load"]["cases"] = [{"input": given_tokens, "output": made_tokens, "concurrency": 3}]
    data["load"]["read_timeout"] = duration
    data["server"]["args"] += [[word] for word in arguments]
    data["server"]["env"]["VALUE"] = value
    data["report"] = {"project": value, "model_label": value}
    text = yaml.safe_dump(data, allow_unicode=True)
    try:
        loaded = profile.parse(text, "written")
    except ProfileError as error:
        assert "looks like a secret" in str(error)  # noqa: PT017  (hypothesis may find one)
        return
    assert loaded.profile.server.args[5:] == tuple((word,) for word in arguments)
    again = profile.parse(profile.resolved(loaded.profile).decode(), "resolved")
    assert again.profile == loaded.profile
    assert again.sha256 == loaded.sha256


@given(lengths)
def test_a_length_keeps_its_label_and_counts_as_written(label: str) -> None:
    length = Length.model_validate(label)
    number, thousands = label.removesuffix("k"), label.endswith("k")
    assert length.label == label
    assert length.tokens == round(float(number) * (1000 if thousands else 1))
    assert Length.model_validate_json(length.model_dump_json()) == length


def test_settings_change_the_digest_and_comments_do_not() -> None:
    plain = profile.parse(STARTED, "a").sha256
    assert profile.parse(f"# words\n{STARTED}", "b").sha256 == plain
    assert profile.parse(STARTED, "a", ["load.rounds=2"]).sha256 != plain


@given(st.text(max_size=120))
def test_no_text_raises_anything_but_a_kit_error(text: str) -> None:
    with suppress(KitError):
        parse(text)
    with suppress(KitError):
        parse(STARTED + text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = """
    schema name description report report.language machine machine.accelerator server server.engine server.env server.args
    server.args.0 server.port server.url server.api_key server.mounts server.container server.container.memory
    server.container.ulimits load load.cases load.cases.0 load.cases.0.input load.cases.*.concurrency load.rounds
    load.read_timeout load.version load.tokenizer acceptance
"""
places = st.sampled_from(PLACES.split())


@given(places, values)
def test_no_value_anywhere_raises_anything_but_a_kit_error(place: str, value: object) -> None:
    with suppress(KitError):
        parse(STARTED, f"{place}={yaml.safe_dump(value, default_flow_style=True)}")


# --- the schema for editors --------------------------------------------------------------------------------------


def test_the_schema_knows_every_field_of_the_profiles_that_come_with_kit() -> None:
    schema = profile.schema()
    for path in library.names().values():
        _fits(yaml.safe_load(path.read_text("utf-8")), schema, schema, path.stem)


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(profile.schema()))["additionalProperties"] is False


def _fits(value: object, schema: object, root: dict[str, object], where: str) -> None:
    """Fields, required fields and plain types, as far as a profile uses them."""
    assert isinstance(schema, dict), where
    if "$ref" in schema:
        definitions = root["$defs"]
        assert isinstance(definitions, dict)
        _fits(value, definitions[str(schema["$ref"]).rpartition("/")[2]], root, where)
        return
    if "anyOf" in schema:
        failures = []
        for choice in schema["anyOf"]:
            try:
                _fits(value, choice, root, where)
                return
            except AssertionError as error:
                failures.append(str(error))
        raise AssertionError(f"{where}: none of {failures}")
    if isinstance(value, dict) and "properties" in schema:
        assert not set(value) - set(schema["properties"]), where
        assert set(schema.get("required", ())) <= set(value), where
        for name, inner in value.items():
            _fits(inner, schema["properties"][name], root, f"{where}.{name}")
    elif isinstance(value, list) and schema.get("type") == "array" and "items" in schema:
        for position, inner in enumerate(value):
            _fits(inner, schema["items"], root, f"{where}.{position}")
    elif "const" in schema:
        assert value == schema["const"], where
    elif "type" in schema:
        types: dict[str, type | tuple[type, ...]] = {
            "string": str,
            "integer": int,
            "number": (int, float),
            "object": dict,
            "array": list,
            "boolean": bool,
        }
        assert isinstance(value, types.get(schema["type"], type(None))), f"{where}: {value!r} is no {schema['type']}"
