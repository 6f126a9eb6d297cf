"""Whose something is, and whether its kit may still be alive: here, on another machine, before a restart."""

import os
import re

import pytest

from kit import owners

HERE, BOOT, MACHINE = owners._FIRST_NAMESPACE, "aaaaaaaa", "11111111"


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is a machine outside of containers, on which this process runs and process 7 of tick 700 does."""
    monkeypatch.setattr(owners, "_namespace", lambda: HERE)
    monkeypatch.setattr(owners, "_boot", lambda: BOOT)
    monkeypatch.setattr(owners, "_machine", lambda: MACHINE)
    monkeypatch.setattr(owners, "running", {7: "7.700"}.get)


@pytest.mark.parametrize(
    ("mark", "may_live"),
    [
        (f"7.700.1.{HERE}.{BOOT}.{MACHINE}", True),
        (f"7.701.1.{HERE}.{BOOT}.{MACHINE}", False),
        (f"8.700.1.{HERE}.{BOOT}.{MACHINE}", False),
        (f"8.700.1.{HERE}.{BOOT}.22222222", False),
        (f"8.700.1.4026532000.{BOOT}.{MACHINE}", True),
        (f"8.700.1.4026532000.{BOOT}.0", True),
        (f"8.700.1.{HERE}.bbbbbbbb.{MACHINE}", False),
        (f"7.700.1.{HERE}.bbbbbbbb.{MACHINE}", False),
        (f"8.700.1.{HERE}.bbbbbbbb.22222222", True),
        ("8.700.1.4026532000.bbbbbbbb.0", True),
        (f"7.700.1.{HERE}", True),
        (f"8.700.1.{HERE}", False),
        ("8.700.1.4026532000", True),
        ("", True),
        ("somebody", True),
        (f"8.700.1.{HERE}.{BOOT}.{MACHINE}/../x", True),
    ],
    ids=[
        "runs",
        "its-number-is-anothers-now",
        "has-ended",
        "has-ended-and-the-machine-was-renamed",
        "in-a-container",
        "in-a-container-without-a-name",
        "before-a-restart",
        "before-a-restart-under-a-number-of-now",
        "on-another-machine",
        "in-a-container-of-another-boot",
        "of-an-earlier-kit-that-runs",
        "of-an-earlier-kit-that-has-ended",
        "of-an-earlier-kit-in-a-container",
        "no-mark",
        "a-word",
        "no-whole-mark",
    ],
)
def test_only_what_is_certain_to_have_ended_has(mark: str, may_live: bool) -> None:
    assert owners.alive(mark) is may_live


def test_two_containers_that_are_alike_are_not_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "_machine", lambda: "0")
    assert owners.alive(f"8.700.1.{HERE}.bbbbbbbb.0")


def test_a_container_tells_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    owners._machine.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(owners, "_namespace", lambda: "4026532000")
        assert owners._machine() == "0"
    owners._machine.cache_clear()


def test_a_mark_is_of_this_process_and_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    first, second = owners.fresh(), owners.fresh()
    assert first != second
    assert first.startswith(f"{os.getpid()}.")
    assert re.fullmatch(owners.PATTERN, first)
    assert owners.alive(first)
