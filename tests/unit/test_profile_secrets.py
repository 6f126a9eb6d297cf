"""Secrets in profiles: refused wherever they stand, and told by no error."""

import pytest

from kit.errors import UsageError
from tests.unit.profiles import RUNNING, STARTED, parse, problems


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
        "server.env={ASCEND_PASSWORD2: x}",
        "server.env={PGPASSWORD2: x}",
        "server.env={OPENAI_KEY2: x}",
        "server.env={TOKEN10: x}",
        "server.env={PASSWORD2_OLD: x}",
        "server.env={OPTS: 'password2=sk-1'}",
        "server.args.2=[--api-key2, sk-1]",
        "server.args.2=[x, 'y --api-key2 sk-1']",
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
        "server.args.2=[--password2-file, /run/key]",
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
