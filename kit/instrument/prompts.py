"""Prompts from a file: one JSON object a line, each a request."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FILE = "prompts.jsonl"
"""Its name where the load generator is started."""
_FIELDS = {"prompt", "messages", "output_tokens"}
_MOST_OUTPUT = 10_000_000


class PromptError(ValueError):
    """A line that is no prompt: which, and why."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The messages of a request, and how many tokens its answer is to have where the file says so."""

    messages: list[dict[str, str]]
    output: int | None = None


def read(lines: Iterable[str]) -> Iterator[Prompt]:
    """The prompts of a file, of which empty lines are none. Raises `PromptError` at the first line that is no prompt."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _prompt(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise PromptError(f"line {number}: {error}") from error


def _prompt(said: object) -> Prompt:
    if not isinstance(said, dict):
        raise ValueError('expected {"prompt": "…"} or {"messages": […]}')
    if unknown := sorted(set(said) - _FIELDS):
        raise ValueError(f"unknown field {unknown[0]!r}; there are prompt or messages, and output_tokens")
    if ("prompt" in said) == ("messages" in said):
        raise ValueError("give either prompt or messages")
    output = said.get("output_tokens")
    if output is not None and not (type(output) is int and 1 <= output <= _MOST_OUTPUT):
        raise ValueError(f"output_tokens: {output!r} is no number of tokens")
    if "prompt" in said:
        return Prompt([{"role": "user", "content": _text("prompt", said["prompt"])}], output)
    messages = said["messages"]
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages: expected a list such as [{role: user, content: …}]")
    return Prompt([_message(one) for one in messages], output)


def _message(said: object) -> dict[str, str]:
    if not isinstance(said, dict) or set(said) != {"role", "content"}:
        raise ValueError("messages: each has role and content, and nothing else")
    return {name: _text(name, said[name]) for name in ("role", "content")}


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: expected text")
    # Half of a pair of surrogates is in no text, and cannot be sent.
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: half a character at {error.start}") from error
    return value
