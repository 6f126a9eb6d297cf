"""Time stamps: what is asked, what is refused, and that they prove something only where somebody says whose count."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kit.errors import HostError, UsageError, VerificationError
from kit.model.attestation import Attestation, SignOffEnvelope
from kit.ports import EndpointError
from kit.signing import keys, signatures, stamping, trust
from kit.workflows import sealing
from tests.unit.people import NOW, People, never, people
from tests.unit.written import Written

__all__ = ["people"]

# Made once by `openssl ts -reply` over the bytes `signature`, with a certificate below that of `ca.pem`.
RECORDED = Path(__file__).parent / "stamps"
STAMP = (RECORDED / "stamp.der").read_bytes()
ROOT = (RECORDED / "ca.pem").read_text("ascii")
MADE = datetime(2026, 11, 24, 15, 56, 50, tzinfo=UTC)


def test_a_time_stamp_proves_when_and_says_by_whom() -> None:
    found = stamping.proven(STAMP, b"signature", stamping.roots(ROOT))
    assert (found.at, found.by) == (MADE, "CN=Test TSA")


def test_a_time_stamp_of_something_else_or_of_somebody_else_proves_nothing() -> None:
    with pytest.raises(ValueError, match="Mismatch between messages"):
        stamping.proven(STAMP, b"other", stamping.roots(ROOT))
    stranger = (RECORDED / "stranger.pem").read_text("ascii")
    with pytest.raises(ValueError, match="certificates"):
        stamping.proven(STAMP, b"signature", stamping.roots(stranger))


def test_no_changed_byte_of_a_time_stamp_makes_another_time_of_it() -> None:
    """A few bytes of the format carry nothing; all others make it worthless. Nothing else is raised."""
    roots, left = stamping.roots(ROOT), 0
    for at in range(0, len(STAMP), 3):
        changed = bytes((*STAMP[:at], STAMP[at] ^ 1, *STAMP[at + 1 :]))
        try:
            assert stamping.proven(changed, b"signature", roots).at == MADE
            left += 1
        except ValueError:
            continue
    assert left < 10


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "what http://tsa answered is none"),
        (STAMP, "is one of something else"),
        (bytes.fromhex("30053003020102"), "refused to give one: status 2"),
    ],
    ids=["a-page", "of-another-request", "rejected"],
)
def test_an_answer_that_is_no_time_stamp_of_this_signature_is_refused(answer: bytes, words: str) -> None:
    with pytest.raises(HostError) as caught:
        stamping.by("http://tsa", lambda *_: answer)(b"signature")
    assert words in str(caught.value)
    assert "sign without --timestamp" in str(caught.value)


def test_without_an_answer_nothing_is_signed(people: People, tmp_path: Path) -> None:
    def silent(*_: object) -> bytes:
        raise EndpointError("http://tsa gave no answer: refused")

    run = Written(tmp_path).run
    private = keys.load(str(people.folder / "tester.key"), never)
    with pytest.raises(HostError, match="no time stamp: http://tsa gave no answer"):
        sealing.sign(run, private, "tester", "张三", NOW, stamping.by("http://tsa", silent))
    assert not (run.path / "attestation.json").exists()
    assert not (run.path / "report").exists()


def test_a_time_stamp_is_shown_kept_and_missed(people: People, tmp_path: Path) -> None:
    """The recorded one is of another signature, which only the check against a trusted root finds."""
    run = Written(tmp_path).run
    private = keys.load(str(people.folder / "tester.key"), never)
    sealing.sign(run, private, "tester", "张三", NOW, lambda _: STAMP)
    assert " \\*" in (run.path / "report" / "report.md").read_text("utf-8")
    text = people.text("tester")
    assert people.verify(run, text).times == (None,)
    rooted = text + "timestamp_roots:\n  - |\n" + "".join(f"    {line}\n" for line in ROOT.splitlines())
    with pytest.raises(VerificationError) as caught:
        people.verify(run, rooted)
    assert "its time stamp proves nothing: Mismatch between messages" in str(caught.value)
    path = run.path / "attestation.json"
    found = Attestation.model_validate_json(path.read_bytes())
    removed = found.model_copy(update={"sign_offs": (found.sign_offs[0].model_copy(update={"time_stamp": None}),)})
    path.write_bytes(removed.stored())
    with pytest.raises(VerificationError) as caught:
        people.verify(run, text)
    assert "its time stamp was removed" in str(caught.value)


def test_a_time_stamp_cannot_be_added_later(people: People, tmp_path: Path) -> None:
    run = Written(tmp_path).run
    people.sign(run, "tester")
    found = signatures.read(run.path / "attestation.json")
    assert found is not None
    (one,) = found.sign_offs
    more = SignOffEnvelope(payload=one.payload, signatures=one.signatures, time_stamp=base64.b64encode(STAMP).decode())
    (run.path / "attestation.json").write_bytes(found.model_copy(update={"sign_offs": (more,)}).stored())
    with pytest.raises(VerificationError) as caught:
        people.verify(run, people.text("tester"))
    assert "a time stamp was added" in str(caught.value)


def test_a_root_that_is_none_is_refused(people: People, tmp_path: Path) -> None:
    path = tmp_path / "trust.yaml"
    path.write_text(people.text("tester") + "timestamp_roots: [nonsense]\n", "utf-8")
    with pytest.raises(UsageError, match=r"timestamp_roots\.0: is no certificate in PEM"):
        trust.read(path)
