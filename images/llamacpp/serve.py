"""Serve one GGUF model over the OpenAI protocol with llama.cpp's own server, in the foreground.

    python serve.py --model DIR --host 127.0.0.1 --port 8080 --served-model-name NAME

Standard output has one line per phase of the start, each with the time of day and the seconds since the start; the
server's own log goes to standard error. SIGTERM or SIGINT ends it with exit code 0, whatever is still being answered.
If the model cannot be loaded or the port is taken, it ends with exit code 1 and one line that says so.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import signal
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final, NoReturn

try:
    import xllamacpp
except ImportError as missing:
    # Its wheel brings neither of these two.
    sys.exit(f"serve: xllamacpp cannot be loaded: {missing}; it needs libgomp1 and libstdc++6 from the system")

STARTED: Final = time.monotonic()
PROBE_INTERVAL_S: Final = 0.05
HIGHEST_PORT: Final = 65535


class ServeError(Exception):
    """The server cannot start, and why in one line."""


def say(line: str) -> None:
    """Print one line that a log reader can place in time."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    sys.stdout.write(f"{now} +{time.monotonic() - STARTED:.3f}s {line}\n")
    sys.stdout.flush()


def _count(text: str) -> int:
    """Read a whole number from 1 up."""
    number = int(text)
    if number < 1:
        msg = "must be at least 1"
        raise argparse.ArgumentTypeError(msg)
    return number


def _port(text: str) -> int:
    """Read a TCP port."""
    number = _count(text)
    if number > HIGHEST_PORT:
        msg = f"must be at most {HIGHEST_PORT}"
        raise argparse.ArgumentTypeError(msg)
    return number


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Serve one GGUF model with llama.cpp.")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="a .gguf file, or a folder with one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, required=True)
    parser.add_argument("--served-model-name", required=True, metavar="NAME")
    parser.add_argument("--ctx-size", type=_count, default=4096, help="tokens per request, with its answer")
    parser.add_argument("--parallel", type=_count, default=4, help="requests answered at the same time; more wait")
    parser.add_argument("--threads", type=_count, default=1, help="CPU threads; leave a core to the load generator")
    parser.add_argument("--api-key-file", type=Path, metavar="F", help="file with the key that requests must carry")
    parser.add_argument("--prompt-cache", action="store_true", help="reuse the work of prompts seen before")
    return parser.parse_args()


def model_file(path: Path) -> Path:
    """Return the one GGUF file meant by --model."""
    files = sorted(path.glob("*.gguf")) if path.is_dir() else [path]
    if len(files) != 1 or not files[0].is_file():
        found = ", ".join(file.name for file in files if file.is_file()) or "none"
        msg = f"--model {path}: one .gguf file is needed, found {found}"
        raise ServeError(msg)
    return files[0]


def api_key(path: Path) -> str:
    """Return the key, which never appears on a command line or in a log."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        msg = f"--api-key-file {path}: {error.strerror}"
        raise ServeError(msg) from error
    if not key:
        msg = f"--api-key-file {path}: the file is empty"
        raise ServeError(msg)
    return key


def require_free_port(host: str, port: int) -> None:
    """Refuse a port that another process listens on, with a reason; llama.cpp only says that it cannot bind."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does it: connections of an earlier server that still linger do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        msg = f"cannot listen on {host}:{port}: {error.strerror}"
        raise ServeError(msg) from error


def parameters(options: argparse.Namespace, model: Path) -> xllamacpp.CommonParams:
    """Translate the command line into llama.cpp's own parameters."""
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {options.served_model_name}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.parallel
    # llama.cpp divides its context among the slots.
    params.n_ctx = options.ctx_size * options.parallel
    params.fit_params = False
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.use_jinja = True
    # Text as generated: a parser that looks for thoughts or tool calls may hold tokens back.
    params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
    params.endpoint_metrics = True
    params.ui = False
    params.cache_prompt = options.prompt_cache
    params.cache_idle_slots = options.prompt_cache
    if not options.prompt_cache:
        params.cache_ram_mib = 0
        params.slot_prompt_similarity = 0.0
        params.n_ctx_checkpoints = 0
    if options.api_key_file is not None:
        params.api_keys = [api_key(options.api_key_file)]
    return params


def wait_until_healthy(host: str, port: int, stop: threading.Event) -> None:
    """Return once the server answers its health check."""
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=1)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        if stop.wait(PROBE_INTERVAL_S):
            say("phase: stopped before it was ready")
            leave(0)


def serve(options: argparse.Namespace) -> NoReturn:
    """Load, and serve until a signal."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    model = model_file(options.model)
    require_free_port(options.host, options.port)
    params = parameters(options, model)

    say(f"phase: load begin model={model} bytes={model.stat().st_size}")
    began = time.monotonic()
    servers: list[xllamacpp.Server] = []

    def load() -> None:
        # What llama.cpp objects to is in its log; the exception only says that it does.
        with contextlib.suppress(RuntimeError):
            servers.append(xllamacpp.Server(params))

    # In a thread of its own, because no signal is seen while llama.cpp loads in this one.
    loader = threading.Thread(target=load, daemon=True)
    loader.start()
    while loader.is_alive():
        if stop.wait(PROBE_INTERVAL_S):
            say("phase: stopped while loading")
            leave(0)
    if not servers:
        msg = f"llama.cpp cannot serve {model}: its log above says why"
        raise ServeError(msg)
    say(f"phase: load end elapsed={time.monotonic() - began:.3f}s")
    wait_until_healthy(options.host, options.port, stop)
    say(
        f"phase: ready address={servers[0].listening_address} model={options.served_model_name} "
        f"ctx={options.ctx_size} parallel={options.parallel} threads={options.threads} "
        f"prompt_cache={'on' if options.prompt_cache else 'off'} xllamacpp={xllamacpp.__version__}"
    )
    stop.wait()
    say("phase: stopped by a signal")
    # Before a return, which would close the server.
    leave(0)


def leave(code: int) -> NoReturn:
    """End this process at once: closed in order, llama.cpp first finishes the answers it is giving, however long."""
    say(f"phase: exit code={code}")
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve until a signal."""
    try:
        serve(arguments())
    except ServeError as error:
        sys.stderr.write(f"serve: {error}\n")
        leave(1)


if __name__ == "__main__":
    main()
