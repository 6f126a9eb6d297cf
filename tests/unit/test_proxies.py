"""The proxy that the environment names: which one counts, and what is told of one that cannot be used."""

import os

import pytest

from kit.ports import EndpointError
from kit.proxies import Proxy, proxy


@pytest.fixture(autouse=True)
def _none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("http://proxy:3128", Proxy("http://proxy:3128", None)),
        ("proxy:3128", Proxy("http://proxy:3128", None)),
        ("https://proxy", Proxy("https://proxy:443", None)),
        ("http://u:p%40%2Fw@[::2]:3128/", Proxy("http://[::2]:3128", ("u", "p@/w"))),
        ("http://u:a@pw@proxy", Proxy("http://proxy:80", ("u", "a@pw"))),
    ],
)
def test_a_proxy_is_read_with_its_user(named: str, found: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", named)
    assert proxy("http", "endpoint") == found


def test_the_proxy_of_the_scheme_counts_then_the_one_for_all_and_none_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert proxy("http", "endpoint") is None
    monkeypatch.setenv("ALL_PROXY", "http://all")
    monkeypatch.setenv("HTTPS_PROXY", "http://secure")
    assert proxy("http", "endpoint") == Proxy("http://all:80", None)
    assert proxy("https", "endpoint") == Proxy("http://secure:80", None)
    assert proxy("https", "localhost") is None
    monkeypatch.setenv("NO_PROXY", "endpoint,.site")
    assert proxy("https", "endpoint") is None
    assert proxy("https", "a.site") is None


@pytest.mark.parametrize(
    ("name", "named", "why"),
    [
        ("ALL_PROXY", "socks5://u:Canary@proxy:1080", "kit speaks to none of the kind 'socks5'"),
        ("HTTP_PROXY", "http://u:Canary/x@proxy", "it is no address"),
        ("HTTP_PROXY", "http://[u:Canary@proxy", "it is no address"),
        ("HTTP_PROXY", "http://u:Canary@:3128", "it names no host"),
        ("HTTP_PROXY", "http://u:Canary@proxy:99999", "it is no address"),
    ],
)
def test_what_cannot_be_used_is_told_without_what_it_holds(
    name: str, named: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, named)
    with pytest.raises(EndpointError) as caught:
        proxy("http", "endpoint")
    assert caught.value.what == f"the proxy of {name} cannot be used: {why}"
    assert "or name endpoint in NO_PROXY" in caught.value.hint
    assert caught.value.__cause__ is None, "a traceback would tell it"
