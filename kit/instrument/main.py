"""The commands of the packed file: `reference` serves by a schedule, `evalscope` sends load with kit's transport, `trial` sends to `reference`."""

import argparse
import gc
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from kit.instrument import tls
from kit.instrument.schedule import Count, Schedule, draw, fault, pause, served
from kit.instrument.times import ScheduleError


def say(line: str) -> None:
    """A line on standard output, at once."""
    os.write(1, f"{line}\n".encode())


def reference(words: list[str]) -> int:
    """Serve until SIGTERM or SIGINT, then state the server's own error."""
    options = _options(words)
    # Here, so that a wrong option is told without waiting for aiohttp.
    from kit.instrument.reference import Server

    try:
        secure = tls.shown(options.certificate) if options.certificate is not None else None
    except OSError as error:
        say(f"reference: {options.certificate} is no certificate with its key: {error.strerror or error}")
        return 1
    try:
        listener = socket.create_server((options.host, options.port), backlog=4096)
    except OSError as error:
        say(f"reference: cannot listen on {options.host}:{options.port}: {error.strerror}")
        return 1
    server = Server(options.models, listener, options.record, secure)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: server.stop())
    say(f"reference: listening on {options.host}:{listener.getsockname()[1]}")
    server.serve()
    say(f"reference: {server.lateness.sentence()}")
    return 0


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="reference", description="An OpenAI-compatible server with known times.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=18080)
    parser.add_argument("--model", action="append", metavar="NAME[=TTFT/ITL]")
    parser.add_argument("--ttft", default="100ms")
    parser.add_argument("--itl", default="10ms")
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--role", choices=("first", "early", "none"), default="first")
    parser.add_argument("--tokens-per-chunk", type=int, default=1)
    parser.add_argument("--no-usage", action="store_true")
    parser.add_argument("--input-tokens", type=int)
    parser.add_argument("--pause", action="append", default=[], metavar="TIME@TOKEN")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND@REQUEST[:TOKEN]")
    parser.add_argument("--record", type=Path)
    parser.add_argument(
        "--certificate", type=Path, help="speak TLS with this certificate and its key, as PEM in one file"
    )
    options = parser.parse_args(words)
    try:
        usual = Schedule(
            ttft=draw(options.ttft),
            itl=draw(options.itl),
            seed=options.seed,
            role=options.role,
            tokens_per_chunk=max(1, options.tokens_per_chunk),
            usage=not options.no_usage,
            input_tokens=options.input_tokens,
            count=_counter(options.tokenizer) if options.tokenizer is not None else None,
            pauses=tuple(map(pause, options.pause)),
            faults=tuple(map(fault, options.fault)),
        )
        options.models = dict(served(text, usual) for text in options.model or ["reference"])
    except ScheduleError as error:
        parser.error(str(error))
    return options


def _counter(directory: Path) -> Count:
    """What counts the tokens of a prompt as a server with the tokenizer in that directory does."""
    if not (directory / "tokenizer.json").is_file():
        raise ScheduleError(f"there is no {directory / 'tokenizer.json'}")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)

    def count(prompt: str, messages: object) -> int:
        if messages is None or not tokenizer.chat_template:
            return max(1, len(tokenizer.encode(prompt, add_special_tokens=False)))
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return max(1, len(tokenizer.encode(text, add_special_tokens=False)))

    return count


def main() -> int:
    """Run the command that the first word names."""
    name, *words = sys.argv[1:] or [""]
    # A connection takes a file: as many as may be, instead of the 1024 that shells give.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if name == "reference":
        return reference(words)
    if name == "evalscope":
        from kit.instrument import sender

        return sender.run(words)
    if name == "books":
        # Until the first request is there: what a program imports stays, and to look through it for garbage takes a seventh of its start.
        gc.disable()
        # Here, since it takes seconds, and imports what only this command needs.
        from kit.instrument import evalscope_api

        return evalscope_api.run(int(words[0]), words[1:])
    if name == "trial":
        from kit.instrument import trial

        return trial.run(words[0], Path.cwd())
    say("the commands are: reference, evalscope, trial")
    return 2
