"""The door to an inference endpoint: what kit itself asks over HTTP, to know whether a server serves.

The load is not sent from here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import httpx

from kit import proxies
from kit.instrument import foreign
from kit.model import Target
from kit.ports import EndpointError
from kit.redaction import Redactor, plain

_HINTS = {
    401: "the endpoint wants an API key: give server.api_key in the profile as {env: NAME} or {file: PATH}",
    403: "the API key is not allowed to use this model",
    404: "check server.url (without /v1/chat/completions) and server.model",
    429: "the endpoint refuses for load or quota: wait, or ask for a higher quota",
}
_HEADERS = {"Accept-Encoding": "identity"}
_UNPACKED = "let it and every proxy before it answer without compression where Accept-Encoding is identity"
_EXCERPT = 300
_MOST_BYTES = 1 << 20
"""What kit itself asks is answered with far less; a server may well send without end."""
_CONNECT_S = 10.0
_ASKED_S = 30.0
"""For what a server has at hand: its figures, or a time stamp."""

T = TypeVar("T")
Clean = Callable[[str], str]
"""Strikes the key out of a text."""


async def _whole(answer: httpx.Response, url: str, most_bytes: int) -> bytes:
    """The body of an answer of 200. Raises `EndpointError` where it is another, or larger."""
    if answer.status_code != httpx.codes.OK:
        raise EndpointError(f"{url} answered HTTP {answer.status_code}")
    found = b""
    async for part in _parts(answer):
        found += part
        if len(found) > most_bytes:
            raise EndpointError(f"{url} answered more than {most_bytes} bytes")
    return found


def _within(limit_s: float, url: str, asking: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """What comes of asking, in so many seconds in all: whoever sends a little now and then, be it headers, gets no more.

    Raises `EndpointError`, and what httpx does but for a limit of time.
    """

    where = httpx.URL(url)
    # A proxy of the company must not stand between kit and a server on this machine; its certificates count there too.
    proxy = proxies.proxy(where.scheme, where.host)

    async def ask() -> T:
        async with asyncio.timeout(limit_s), _client(url, proxy) as client:
            return await asking(client)

    try:
        return asyncio.run(ask())
    except TimeoutError as error:
        raise EndpointError(f"{url} gave no whole answer in {limit_s:g} s", "is it overloaded?") from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        if proxy is None:
            raise
        said = f"{url} cannot be reached through the proxy {proxy.url}: {error}"
        raise EndpointError(said, f"see HTTP_PROXY and its like, or name {where.host} in NO_PROXY") from error


def _client(url: str, proxy: proxies.Proxy | None) -> httpx.AsyncClient:
    try:
        verify = httpx.create_ssl_context() if url.startswith("https:") else True
    except OSError as error:
        hint = "SSL_CERT_FILE and SSL_CERT_DIR name what is trusted"
        raise EndpointError(f"no certificates can be read for {url}: {error}", hint) from error
    return httpx.AsyncClient(
        headers=_HEADERS,
        # What is asked in all is limited already.
        timeout=httpx.Timeout(None, connect=_CONNECT_S),
        verify=verify,
        proxy=httpx.Proxy(proxy.url, auth=proxy.auth) if proxy is not None else None,
        trust_env=False,
        follow_redirects=False,
    )


def post(url: str, content: bytes, kind: str, most_bytes: int) -> bytes:
    """What a server answers to content of a type, `most_bytes` at most. Raises `EndpointError`."""

    async def asking(client: httpx.AsyncClient) -> bytes:
        async with client.stream("POST", url, content=content, headers={"Content-Type": kind}) as answer:
            return await _whole(answer, url, most_bytes)

    try:
        return _within(_ASKED_S, url, asking)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise EndpointError(f"{url} gave no answer: {error}") from error


class HttpEndpoint:
    """Speaks the OpenAI API with the server at a target's URL."""

    def healthy(self, target: Target, path: str) -> bool:
        try:
            return _status("GET", f"{target.url}{path}", 5.0) == httpx.codes.OK
        except (httpx.HTTPError, EndpointError):
            return False

    def complete(self, target: Target, key: str | None, *, timeout_s: float) -> str:
        body = {
            "model": target.model,
            "messages": [{"role": "user", "content": "Say one word."}],
            "max_tokens": 4,
            "temperature": 0,
            "stream": True,
        }
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Some servers quote the key that they refuse; it is struck out before anything is cut short.
        clean = Redactor([key] if key else []).text
        url = f"{target.url}/v1/chat/completions"

        async def asking(client: httpx.AsyncClient) -> str:
            async with client.stream("POST", url, json=body, headers=headers) as answer:
                lines = _lines(answer)
                if answer.status_code != httpx.codes.OK:
                    raise _refused(answer, await _joined(lines), target, clean)
                return await _text(answer, lines, clean)

        try:
            return _within(timeout_s, url, asking)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise EndpointError(
                f"{target.url} cannot be reached: {error or f'no connection in {_CONNECT_S:g} s'}",
                "is it running, is the URL right?",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise EndpointError(f"{url} broke the answer off: {error}", "see the log of the server") from error

    def post(self, target: Target, path: str) -> None:
        url = f"{target.url}{path}"
        try:
            status = _status("POST", url, 60.0)
        except httpx.HTTPError as error:
            raise EndpointError(f"{url} gave no answer: {error}", "see the log of the server") from error
        if status != httpx.codes.OK:
            raise EndpointError(f"{url} answered HTTP {status}", "see the log of the server")

    def get(self, target: Target, path: str, *, most_bytes: int) -> str:
        url = f"{target.url}{path}"

        async def asking(client: httpx.AsyncClient) -> bytes:
            async with client.stream("GET", url) as answer:
                return await _whole(answer, url, most_bytes)

        try:
            return _within(_ASKED_S, url, asking).decode("utf-8", errors="replace")
        except httpx.HTTPError as error:
            raise EndpointError(f"{url} gave no answer: {error}", "see the log of the server") from error


def _status(method: str, url: str, limit_s: float) -> int:
    """The status of an answer of which nothing else is read."""

    async def asking(client: httpx.AsyncClient) -> int:
        async with client.stream(method, url) as answer:
            return answer.status_code

    return _within(limit_s, url, asking)


async def _parts(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body of an answer as it comes. Raises `EndpointError` where it is packed, and may hold a thousand times what came."""
    packed = answer.headers.get("content-encoding", "identity")
    if packed.lower() != "identity":
        said = (
            f"{answer.url} answered HTTP {answer.status_code} in the encoding {packed[:40]!r}, which was not asked for"
        )
        raise EndpointError(said, _UNPACKED)
    async for part in answer.aiter_raw():
        yield part


async def _lines(answer: httpx.Response) -> AsyncIterator[str]:
    """The lines of an answer as they come. Raises `EndpointError` where it has no end."""
    rest, taken = b"", 0
    async for part in _parts(answer):
        taken += len(part)
        if taken > _MOST_BYTES:
            msg = f"{answer.url} answers a question for one word without end: {taken} bytes so far"
            raise EndpointError(msg, "does the engine keep to max_tokens?")
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")


async def _joined(lines: AsyncIterator[str]) -> str:
    return "\n".join([line async for line in lines])


def _refused(answer: httpx.Response, body: str, target: Target, clean: Clean) -> EndpointError:
    said = _said(body, clean)
    if answer.is_redirect:
        msg = f"{answer.url} answered with a redirect to {_said(answer.headers['location'], clean)}"
        return EndpointError(msg, "set server.url to the address that answers by itself")
    hint = _HINTS.get(answer.status_code, "see the log of the server")
    if answer.status_code in (400, 404) and "model" in said.lower():
        hint = f"is {target.model!r} the name the server answers to? see server.model"
    return EndpointError(f"{answer.url} answered HTTP {answer.status_code}: {said or '(nothing)'}", hint)


def _said(text: str, clean: Clean) -> str:
    """What the other side said, on one line and short enough for a message."""
    return " ".join(plain(clean(text)).split())[:_EXCERPT]


async def _text(answer: httpx.Response, lines: AsyncIterator[str], clean: Clean) -> str:
    """The text of a streamed completion; raises `EndpointError` where the stream is none or holds none."""
    content_type = answer.headers.get("content-type", "")
    if "text/event-stream" not in content_type:
        said = _said(await _joined(lines), clean)
        msg = f"{answer.url} does not stream: it answered {content_type or 'no content type'}: {said or '(nothing)'}"
        raise EndpointError(msg, "kit needs an OpenAI-compatible endpoint with streaming chat completions")
    pieces: list[str] = []
    finished = False
    async for line in lines:
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            finished = True
            break
        pieces.append(_piece(data, str(answer.url), clean))
    text = "".join(pieces)
    if not text:
        ended = "" if finished else " and closed before [DONE]"
        raise EndpointError(f"{answer.url} streamed no text{ended}", "does the model have a chat template?")
    return text


def _piece(data: str, url: str, clean: Clean) -> str:
    try:
        chunk = foreign.loads(data)
        if not isinstance(chunk, dict):
            raise ValueError
        if chunk.get("error"):
            raise EndpointError(f"{url} streamed an error: {_said(str(chunk['error']), clean)}", "see its log")
        choices = chunk["choices"]
        delta = choices[0].get("delta") or {} if choices else {}
        return "".join(str(delta.get(name) or "") for name in ("reasoning_content", "content"))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        msg = f"{url} streamed something that is not a chat completion: {_said(data, clean)}"
        raise EndpointError(msg, "kit needs an OpenAI-compatible endpoint") from error
