"""An OpenAI-compatible server that misbehaves on request, from the standard library only.

    python tests/stub_server.py --port 8001

The model's name selects what happens: `good`, or faults such as `http-500`, each optionally with the numbers of the
requests that it concerns: `http-500@3,cut@5,short@7-9`. Only requests with a real prompt are counted: short ones are the
probes of kit and of load generators, and a fault with a number never meets them.
"""

import argparse
import base64
import json
import re
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROBE_CHARACTERS = 20
MODEL = "stub"
_FAULT = re.compile(r"(?P<name>[a-z0-9-]+)(?:@(?P<first>[0-9]+)(?:-(?P<last>[0-9]+))?)?")


@dataclass
class Request:
    """One request as the server saw it, and what it answered. Times are from this process's monotonic clock."""

    number: int | None
    model: str
    fault: str
    authorization: str | None
    max_tokens: int
    ignore_eos: bool
    prompt: str
    received_at: float
    messages: list[dict[str, str]] = field(default_factory=list)
    first_text_at: float | None = None
    ended_at: float | None = None
    texts: int = 0


@dataclass
class Behaviour:
    """What every good answer looks like."""

    key: str | None = None
    input_tokens: int | None = None
    """What usage says of the prompt; its number of characters / 4 unless given."""
    first_text_s: float = 0.0
    """From the role chunk, which is sent at once, to the first chunk with text."""
    gap_s: float = 0.0
    together: int = 0
    """No answer has text before so many requests are there."""


@dataclass
class Log:
    """All requests so far."""

    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def measured(self) -> list[Request]:
        """The requests that were counted, in the order in which they came."""
        return [request for request in self.requests if request.number is not None]


class Stub(ThreadingHTTPServer):
    """The server; `url` is what a profile takes."""

    daemon_threads = True
    # A stopped test must not wait for requests that are never answered.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, behaviour: Behaviour, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.behaviour = behaviour
        self.log = Log()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(behaviour: Behaviour | None = None) -> Iterator[Stub]:
    """A stub on a free port, stopped at the end."""
    with Stub(behaviour or Behaviour()) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.log.stopping.set()
            server.shutdown()
            thread.join()


def fault_of(model: str, number: int | None) -> str:
    """What the model's name orders for a request with that number (None: a probe)."""
    for found in map(_FAULT.fullmatch, model.split(",")):
        if found is None:
            continue
        if found["first"] is None:
            return found["name"]
        first, last = int(found["first"]), int(found["last"] or found["first"])
        if number is not None and first <= number <= last:
            return found["name"]
    return "good"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the standard library's)
        del format, args

    def do_GET(self) -> None:
        body = {"data": [{"id": MODEL}]} if self.path.endswith("/v1/models") else {"status": "ok"}
        self.whole(200, body)

    def do_POST(self) -> None:
        if self.path in ("/flush_cache", "/reset_prefix_cache"):
            # As an engine that can be asked for an empty cache, and one that cannot.
            self.whole(200 if self.path == "/flush_cache" else 404, {})
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = "".join(str(message["content"]) for message in body["messages"])
        log = self.server.log
        with log.lock:
            number = len(log.measured) + 1 if len(prompt) > PROBE_CHARACTERS else None
            request = Request(
                number=number,
                model=body["model"],
                fault=fault_of(body["model"], number),
                authorization=self.headers["Authorization"],
                max_tokens=body["max_tokens"],
                ignore_eos=bool(body.get("ignore_eos")),
                prompt=prompt,
                received_at=time.monotonic(),
                messages=body["messages"],
            )
            log.requests.append(request)
        key = self.server.behaviour.key
        try:
            if not self.path.endswith("/v1/chat/completions"):
                self.whole(404, {"detail": "Not Found"})
            elif key is not None and request.authorization != f"Bearer {key}":
                self.whole(401, error(f"Incorrect API key provided: {request.authorization}"))
            else:
                answer(self, request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            request.ended_at = time.monotonic()

    # --- the ways to answer --------------------------------------------------------------------------------------

    def whole(self, status: int, body: object, content_type: str = "application/json", **headers: str) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def open_stream(self, content_type: str = "text/event-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def event(self, data: object) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        line = f"data: {text}\n\n".encode()
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def close_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def reset(self) -> None:
        """Break the connection off without a word, as a killed server does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        with suppress(OSError):
            self.connection.close()


def error(message: str, kind: str = "invalid_request_error") -> dict[str, object]:
    return {"error": {"message": message, "type": kind}}


def chunk(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
    return {
        "id": "stub",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def answer(handler: _Handler, request: Request) -> None:
    """Answer as the request's fault wants it."""
    if request.fault.startswith("http-"):
        status = int(request.fault.removeprefix("http-"))
        handler.whole(status, error(f"the stub says {status}"))
    elif request.fault in WHOLE:
        WHOLE[request.fault](handler, request)
    else:
        stream(handler, request)


def stream(handler: _Handler, request: Request) -> None:
    """A streamed answer: the role at once, then the text token by token, then why it stopped, then usage."""
    behaviour, fault = handler.server.behaviour, request.fault
    if fault not in (*STREAMED, "good"):
        raise ValueError(f"the stub knows no fault {fault!r}")
    handler.open_stream()
    handler.event(chunk({"role": "assistant", "content": ""}))
    handler.server.log.stopping.wait(behaviour.first_text_s)
    log = handler.server.log
    while request.number is not None and len(log.measured) < behaviour.together:
        # A probe waits for nobody.
        if log.stopping.wait(0.01):
            break
    tokens = max(1, request.max_tokens // 2) if fault == "short" else request.max_tokens
    for position in range(tokens):
        if position and behaviour.gap_s:
            handler.server.log.stopping.wait(behaviour.gap_s)
        if position == max(1, tokens // 2) and fault in HALF_WAY:
            HALF_WAY[fault](handler)
            return
        # Before it is sent: the client cannot have it earlier.
        at = time.monotonic()
        handler.event(chunk({"content": told(request, position)}))
        request.texts += 1
        if request.first_text_at is None:
            request.first_text_at = at
    reason = {"short": "stop", "filtered": "content_filter"}.get(fault, "length")
    handler.event(chunk({}, finish=reason))
    if fault != "no-usage":
        asked = behaviour.input_tokens if behaviour.input_tokens is not None else len(request.prompt) // 4
        asked += 3 if fault == "other-input" else 0
        usage = {"prompt_tokens": asked, "completion_tokens": tokens, "total_tokens": asked + tokens}
        handler.event({"id": "stub", "object": "chat.completion.chunk", "choices": [], "usage": usage})
    handler.event("[DONE]")
    handler.close_stream()


def told(request: Request, position: int) -> str:
    """A token's text. With the fault `tell-key` the first two say the key that the request carried, half each; with `whole-key`
    each says it whole, at another place of it."""
    key = (request.authorization or "").removeprefix("Bearer ")
    if request.fault == "whole-key":
        return f"{'x' * position}{key} "
    halves = (key[: len(key) // 2], key[len(key) // 2 :])
    return halves[position] if request.fault == "tell-key" and position < len(halves) else "a "


# --- faults ------------------------------------------------------------------------------------------------------


def _unknown_model(handler: _Handler, request: Request) -> None:
    handler.whole(404, error(f"The model `{request.model}` does not exist.", "NotFoundError"))


def _redirect(handler: _Handler, request: Request) -> None:
    del request
    handler.whole(307, "", Location=f"{handler.server.url}/elsewhere/v1/chat/completions")


def _echo_key(handler: _Handler, request: Request) -> None:
    handler.whole(500, error(f"cannot forward your header {request.authorization}"))


def _spell_key(handler: _Handler, request: Request) -> None:
    key = (request.authorization or "").removeprefix("Bearer ")
    basic = [base64.b64encode(f"{user}:{key}".encode()).decode() for user in ("a", "ab", "abc")]
    escaped = ("".join(way.format(ord(one)) for one in key) for way in ("\\u{:04x}", "%{:02X}", "&#{};"))
    told = " ".join((json.dumps(key), urllib.parse.quote(key, safe=""), key.encode().hex(), *basic, *escaped))
    handler.whole(500, error(f"cannot forward {base64.b64encode(key.encode()).decode()} {told}"))


def _html(handler: _Handler, request: Request) -> None:
    del request
    handler.whole(200, "<!DOCTYPE html>\n<html><title>Sign in</title></html>\n", "text/html; charset=utf-8")


def _json(handler: _Handler, request: Request) -> None:
    tokens = request.max_tokens
    message = {"role": "assistant", "content": "a " * tokens}
    usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
    handler.whole(200, {"choices": [{"index": 0, "message": message, "finish_reason": "length"}], "usage": usage})


def _empty(handler: _Handler, request: Request) -> None:
    del request
    handler.open_stream()
    handler.close_stream()


def _no_text(handler: _Handler, request: Request) -> None:
    del request
    handler.open_stream()
    handler.event(chunk({"role": "assistant", "content": ""}))
    handler.event(chunk({}, finish="stop"))
    handler.event("[DONE]")
    handler.close_stream()


def _garbage(handler: _Handler, request: Request) -> None:
    del request
    handler.open_stream()
    handler.event("<html>bad gateway</html>")
    handler.close_stream()


def _endless(handler: _Handler, request: Request) -> None:
    """One line that never ends, until the client goes away."""
    del request
    handler.open_stream()
    handler.wfile.write(b"100000\r\ndata: " + b"x" * (0x100000 - 6) + b"\r\n")
    while not handler.server.log.stopping.is_set():
        handler.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def _silent(handler: _Handler, request: Request) -> None:
    del request
    _wait(handler)


def _wait(handler: _Handler) -> None:
    """Say nothing until the client goes away or the stub stops."""
    handler.connection.settimeout(0.05)
    while not handler.server.log.stopping.is_set():
        try:
            if not handler.connection.recv(1):
                break
        except TimeoutError:
            continue
    handler.close_connection = True


def _cut(handler: _Handler) -> None:
    handler.reset()


def _ends_early(handler: _Handler) -> None:
    handler.close_stream()


def _error_chunk(handler: _Handler) -> None:
    handler.event(error("the engine ran out of memory", "InternalServerError"))
    handler.event("[DONE]")
    handler.close_stream()


def _stalls(handler: _Handler) -> None:
    _wait(handler)


WHOLE: dict[str, Callable[[_Handler, Request], None]] = {
    "unknown-model": _unknown_model,
    "redirect": _redirect,
    "echo-key": _echo_key,
    "spell-key": _spell_key,
    "html": _html,
    "json": _json,
    "empty": _empty,
    "no-text": _no_text,
    "garbage": _garbage,
    "endless": _endless,
    "silent": _silent,
}
HALF_WAY: dict[str, Callable[[_Handler], None]] = {
    "cut": _cut,
    "ends-early": _ends_early,
    "error-chunk": _error_chunk,
    "stalls": _stalls,
}
STREAMED = (*HALF_WAY, "short", "tell-key", "whole-key", "filtered", "no-usage", "other-input")


def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server that misbehaves on request.")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--key", help="the key that requests must carry")
    parser.add_argument("--input-tokens", type=int)
    parser.add_argument("--first-text-s", type=float, default=0.0)
    parser.add_argument("--gap-s", type=float, default=0.0)
    options = parser.parse_args()
    behaviour = Behaviour(options.key, options.input_tokens, options.first_text_s, options.gap_s)
    with Stub(behaviour, options.port) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
