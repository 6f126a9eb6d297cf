"""A profile that starts a server and one of a server that runs already, and what is wrong with a changed one."""

import pytest

from kit import profile
from kit.errors import ProfileError
from kit.model import Profile

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
