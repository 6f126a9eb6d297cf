"""What kit says of an endpoint that does not serve, for every way in which it may not."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from kit import endpoint
from kit.endpoint import HttpEndpoint
from kit.model import Target
from kit.ports import EndpointError
from tests.stub_server import Behaviour, Stub, serving

KEY = "sk-canary-0123456789"
LIMIT_S = 30.0


def ask(stub: Stub, model: str, key: str | None = None, *, timeout_s: float = LIMIT_S, path: str = "") -> str:
    return HttpEndpoint().complete(Target(url=stub.url + path, model=model), key, timeout_s=timeout_s)


def refusal(model: str, key: str | None = None, *, timeout_s: float = LIMIT_S) -> tuple[EndpointError, str]:
    """The error for a stub that behaves as the model's name orders, and the stub's URL."""
    with serving() as stub, pytest.raises(EndpointError) as caught:
        ask(stub, model, key, timeout_s=timeout_s)
    return caught.value, f"{stub.url}/v1/chat/completions"


def test_a_good_endpoint_gives_its_text() -> None:
    with serving() as stub:
        assert ask(stub, "good") == "a " * 4
        (request,) = stub.log.requests
    assert request.authorization is None


def test_a_cache_is_emptied_by_asking_and_a_server_that_refuses_is_told() -> None:
    with serving() as stub:
        HttpEndpoint().post(Target(url=stub.url, model="m"), "/flush_cache")
        with pytest.raises(EndpointError, match="/reset_prefix_cache answered HTTP 404"):
            HttpEndpoint().post(Target(url=stub.url, model="m"), "/reset_prefix_cache")
    with pytest.raises(EndpointError, match="/flush_cache gave no answer"):
        HttpEndpoint().post(Target(url=stub.url, model="m"), "/flush_cache")


def test_what_a_server_says_is_read_up_to_a_limit() -> None:
    with serving() as stub:
        target = Target(url=stub.url, model="m")
        assert HttpEndpoint().get(target, "/metrics", most_bytes=100) == '{"status": "ok"}'
        with pytest.raises(EndpointError, match="/metrics answered more than 15 bytes"):
            HttpEndpoint().get(target, "/metrics", most_bytes=15)
    with pytest.raises(EndpointError, match="/metrics gave no answer"):
        HttpEndpoint().get(target, "/metrics", most_bytes=100)


def test_the_key_is_sent_as_bearer() -> None:
    with serving(Behaviour(key=KEY)) as stub:
        assert ask(stub, "good", KEY)


@pytest.mark.parametrize(
    ("fault", "said", "hint"),
    [
        (
            "http-401",
            'answered HTTP 401: {"error": {"message": "the stub says 401", "type": "invalid_request_error"}}',
            "the endpoint wants an API key: give server.api_key in the profile as {env: NAME} or {file: PATH}",
        ),
        ("http-403", "answered HTTP 403: ", "the API key is not allowed to use this model"),
        ("http-404", "answered HTTP 404: ", "check server.url (without /v1/chat/completions) and server.model"),
        (
            "unknown-model",
            "answered HTTP 404: ",
            "is 'unknown-model' the name the server answers to? see server.model",
        ),
        ("http-429", "answered HTTP 429: ", "the endpoint refuses for load or quota: wait, or ask for a higher quota"),
        ("http-500", "answered HTTP 500: ", "see the log of the server"),
        (
            "redirect",
            "answered with a redirect to http://127.0.0.1:",
            "set server.url to the address that answers by itself",
        ),
        (
            "json",
            "does not stream: it answered application/json: ",
            "kit needs an OpenAI-compatible endpoint with streaming chat completions",
        ),
        (
            "html",
            "does not stream: it answered text/html; charset=utf-8: "
            "<!DOCTYPE html> <html><title>Sign in</title></html>",
            "kit needs an OpenAI-compatible endpoint with streaming chat completions",
        ),
        ("empty", "streamed no text and closed before [DONE]", "does the model have a chat template?"),
        ("no-text", "streamed no text", "does the model have a chat template?"),
        (
            "garbage",
            "streamed something that is not a chat completion: <html>bad gateway</html>",
            "kit needs an OpenAI-compatible endpoint",
        ),
        (
            "error-chunk",
            "streamed an error: {'message': 'the engine ran out of memory', 'type': 'InternalServerError'}",
            "see its log",
        ),
        ("cut", "broke the answer off: ", "see the log of the server"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_fault_is_told_with_what_came_and_what_to_do(fault: str, said: str, hint: str) -> None:
    error, url = refusal(fault)
    assert error.what.startswith(f"{url} {said}")
    assert hint in error.hint
    assert error.what.isprintable()


@pytest.mark.parametrize("fault", ["short", "no-usage", "other-input", "filtered", "ends-early"])
def test_an_answer_with_text_is_enough_for_kit_to_begin(fault: str) -> None:
    """What is wrong with such answers is measured and told by the run."""
    with serving() as stub:
        assert ask(stub, fault)


@pytest.mark.parametrize("fault", ["silent", "stalls"])
def test_an_endpoint_that_never_answers_is_told_after_the_limit(fault: str) -> None:
    error, url = refusal(fault, timeout_s=0.3)
    assert (error.what, error.hint) == (f"{url} gave no whole answer in 0.3 s", "is it overloaded?")


def test_a_long_page_is_cut_short() -> None:
    with serving() as stub, pytest.raises(EndpointError) as caught:
        ask(stub, "unknown-model," + "x" * 10_000)
    assert len(caught.value.what) < 500


def test_an_answer_without_end_is_left() -> None:
    error, url = refusal("endless", timeout_s=30.0)
    assert error.what.startswith(f"{url} answers a question for one word without end: ")


def test_a_server_that_quotes_the_key_does_not_get_it_printed() -> None:
    with serving(Behaviour(key="sk-another-one")) as stub, pytest.raises(EndpointError) as caught:
        ask(stub, "good", KEY)
    assert KEY not in f"{caught.value.what} {caught.value.hint}"
    assert "Incorrect API key provided: Bearer ***" in caught.value.what


def test_a_redirect_is_not_followed() -> None:
    with serving() as stub:
        with pytest.raises(EndpointError, match=r"redirect to .*/elsewhere/"):
            ask(stub, "redirect")
        assert len(stub.log.requests) == 1


def test_an_address_without_a_server_is_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(EndpointError) as caught:
            HttpEndpoint().complete(Target(url=url, model="m"), None, timeout_s=5.0)
    assert caught.value.what.startswith(f"{url} cannot be reached: ")
    assert caught.value.hint == "is it running, is the URL right?"


def test_a_name_that_does_not_exist_is_told() -> None:
    with pytest.raises(EndpointError, match="cannot be reached"):
        HttpEndpoint().complete(Target(url="http://nowhere.invalid:1", model="m"), None, timeout_s=5.0)


@contextmanager
def speaking(said: bytes, more: bytes = b"") -> Iterator[Target]:
    """A server that says this, whatever it is asked, and then ends; with `more`, only after it said that again and again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def speak() -> None:
            connection, _ = listener.accept()
            # Who asked may have heard enough.
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(said)
                for _ in range(200 if more else 0):
                    connection.sendall(more)
                    time.sleep(0.01)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        speaker = threading.Thread(target=speak)
        speaker.start()
        yield Target(url=f"http://127.0.0.1:{listener.getsockname()[1]}", model="m")
        speaker.join()


def test_a_server_that_speaks_no_http_is_told() -> None:
    with speaking(b"220 mail ready\r\n") as target, pytest.raises(EndpointError, match="broke the answer off"):
        HttpEndpoint().complete(target, None, timeout_s=5.0)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"


@pytest.mark.parametrize("data", [b"[" * 300_000, b'{"choices":' * 30_000, b"[]", b"7"], ids=len)
def test_json_that_is_no_completion_is_told(data: bytes) -> None:
    with speaking(STREAM + b"\r\ndata: " + data + b"\n\n") as target, pytest.raises(EndpointError) as caught:
        HttpEndpoint().complete(target, None, timeout_s=5.0)
    assert "streamed something that is not a chat completion: " in caught.value.what


def test_halves_of_characters_in_an_error_are_told_as_what_can_be_written() -> None:
    with speaking(STREAM + b'\r\ndata: {"error": "no \\ud800"}\n\n') as target, pytest.raises(EndpointError) as caught:
        HttpEndpoint().complete(target, KEY, timeout_s=5.0)
    assert caught.value.what.endswith("streamed an error: no ?")


PACKED = b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"data: {}\n\n" + bytes(50 << 20))


@pytest.mark.parametrize(
    "ask_for",
    [
        lambda target: HttpEndpoint().complete(target, None, timeout_s=5.0),
        lambda target: HttpEndpoint().get(target, "/metrics", most_bytes=100),
    ],
    ids=["completion", "metrics"],
)
def test_a_packed_answer_is_told_and_not_unpacked(ask_for: Callable[[Target], str]) -> None:
    with speaking(STREAM + PACKED) as target, pytest.raises(EndpointError) as caught:
        ask_for(target)
    assert "answered HTTP 200 in the encoding 'gzip', which was not asked for" in caught.value.what


TRICKLES = {
    "early-hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
    "bytes-of-a-header": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
    "body": (STREAM + b"\r\n", b": still there\n\n"),
}
ASKS: dict[str, Callable[[Target], object]] = {
    "completion": lambda target: HttpEndpoint().complete(target, None, timeout_s=0.3),
    "metrics": lambda target: HttpEndpoint().get(target, "/metrics", most_bytes=1 << 20),
    "time-stamp": lambda target: endpoint.post(target.url, b"query", "application/timestamp-query", 64_000),
}


@pytest.mark.parametrize("trickle", TRICKLES)
@pytest.mark.parametrize("ask_for", ASKS)
def test_an_answer_that_comes_in_drops_is_left_when_its_time_is_over(
    ask_for: str, trickle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_ASKED_S", 0.3)
    with speaking(*TRICKLES[trickle]) as target, pytest.raises(EndpointError) as caught:
        ASKS[ask_for](target)
    assert caught.value.what.endswith(" gave no whole answer in 0.3 s")


def test_an_endpoint_behind_a_proxy_is_asked_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = STREAM + b'\r\ndata: {"choices": [{"delta": {"content": "yes"}}]}\n\ndata: [DONE]\n\n'
    with speaking(answer) as target:
        monkeypatch.setenv("http_proxy", target.url.replace("//", "//someone:p@ss@"))
        behind = Target(url="http://nowhere.invalid:1", model="m")
        assert HttpEndpoint().complete(behind, None, timeout_s=5.0) == "yes"
    with pytest.raises(EndpointError) as caught:
        HttpEndpoint().complete(behind, None, timeout_s=5.0)
    assert f"cannot be reached through the proxy {target.url}: " in caught.value.what
    assert "NO_PROXY" in caught.value.hint
    monkeypatch.setenv("http_proxy", "http://someone:Canary/x@proxy:3128")
    for ask_for in ASKS.values():
        with pytest.raises(EndpointError, match="the proxy of http_proxy cannot be used: ") as caught:
            ask_for(behind)
        assert "Canary" not in f"{caught.value.what} {caught.value.hint}"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_stands_before_a_server_on_this_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving() as stub:
        assert ask(stub, "good")
        assert HttpEndpoint().healthy(Target(url=stub.url, model="good"), "/health")


def test_a_server_is_healthy_only_where_it_answers_200() -> None:
    with serving() as stub:
        target = Target(url=stub.url, model="good")
        assert HttpEndpoint().healthy(target, "/health")
    assert not HttpEndpoint().healthy(target, "/health")
