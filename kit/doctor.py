"""Judging, before anything starts, whether this machine can run a plan."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from kit.errors import HostError, Problem
from kit.model import Plan
from kit.ports import Host

LEAST_FREE_BYTES = 200 * 1024**2


def require(plan: Plan, host: Host, output: Path) -> None:
    """Raise `HostError` with everything that stands in the way of this plan."""
    if problems := [*_port(plan, host), *_tokenizer(plan), *_output(output)]:
        raise HostError(f"this machine cannot run {plan.profile} as it is", problems=problems)


def _port(plan: Plan, host: Host) -> Iterator[Problem]:
    if plan.server is not None and not host.port_is_free(plan.server.port):
        hint = "stop the program that listens there (ss -ltnp shows it), or --set server.port=…"
        yield Problem(f"port {plan.server.port}", "is taken", hint)


def _tokenizer(plan: Plan) -> Iterator[Problem]:
    if plan.model is not None and plan.tokenizer.startswith(plan.model.directory):
        return
    path = Path(plan.tokenizer)
    where = f"load.tokenizer {path}"
    if not path.is_dir():
        yield Problem(where, "is not a directory on this machine", "copy the model's tokenizer files there")
        return
    if not (path / "tokenizer_config.json").is_file():
        yield Problem(where, "has no tokenizer_config.json", "copy the model's tokenizer files there")
    elif not _has_chat_template(path):
        hint = "kit sends chat completions: take the tokenizer of a chat model, with its chat_template"
        yield Problem(where, "has no chat template", hint)


def _has_chat_template(path: Path) -> bool:
    if any((path / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    try:
        config = json.loads((path / "tokenizer_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and bool(config.get("chat_template"))


def _output(output: Path) -> Iterator[Problem]:
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = output / ".kit-probe"
        probe.write_bytes(b"kit")
        probe.unlink()
        free = shutil.disk_usage(output).free
    except OSError as error:
        yield Problem(f"output directory {output}", str(error.strerror), "give a writable directory with --out")
        return
    if free < LEAST_FREE_BYTES:
        yield Problem(f"output directory {output}", f"has only {free // 1024**2} MiB free", "make room, or use --out")
