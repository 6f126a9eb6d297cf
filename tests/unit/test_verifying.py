"""Verifying: nothing was altered since it was signed, and those who signed are trusted."""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.errors import UsageError, VerificationError
from kit.model.attestation import ROLES, Attestation
from kit.signing import signatures, trust
from kit.store import RunDir
from kit.workflows import sealing
from tests.unit.people import CRITERIA, NOW, People, fails, people, run, signed, signed_once
from tests.unit.written import Written

__all__ = ["people", "run", "signed", "signed_once"]


# --- tampering ---------------------------------------------------------------------------------------------------


def test_every_missing_added_and_modified_file_is_named(signed: RunDir, people: People) -> None:
    files = sorted(path for path in signed.path.rglob("*") if path.is_file() and path.name != "attestation.json")
    gone, changed = files[::3], files[1::3]
    for path in gone:
        path.unlink()
    for path in changed:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    new = [signed.path / name for name in ("added", "cases/added", "report/added", ".hidden")]
    for path in new:
        path.write_bytes(b"")
    lines = fails(lambda: people.verify(signed)).splitlines()
    for paths, what in ((gone, "is missing"), (changed, "was modified"), (new, "was added")):
        for path in paths:
            assert f"  - {path.relative_to(signed.path).as_posix()}: {what}" in lines
    assert len(lines) == len(gone) + len(changed) + len(new) + 2


def test_any_changed_byte_of_any_file_is_found(signed: RunDir, people: People) -> None:
    for path in sorted(signed.path.rglob("*")):
        if not path.is_file() or path.name == "attestation.json":
            continue
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        name = path.relative_to(signed.path).as_posix()
        assert f"{name}: was modified" in fails(lambda: people.verify(signed))
        path.write_bytes(content)
    people.verify(signed)


@pytest.mark.parametrize("kind", ["file", "folder", "pipe"])
def test_what_is_no_plain_file_is_refused(signed: RunDir, people: People, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(signed.path / "odd")
    else:
        target = signed.path / ("plan.json" if kind == "file" else "cases")
        (signed.path / "odd").symlink_to(target)
    assert "odd: is" in fails(lambda: people.verify(signed))


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
def test_any_changed_byte_of_the_attestation_is_found(signed_once: RunDir, people: People, data: st.DataObject) -> None:
    content = (signed_once.path / "attestation.json").read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "drop"]))
    byte = data.draw(st.integers(0, 255))
    other = {
        "flip": content[:at] + bytes([byte]) + content[at + 1 :],
        "cut": content[:at],
        "insert": content[:at] + bytes([byte]) + content[at:],
        "drop": content[:at] + content[at + 1 :],
    }[kind]
    if other == content:
        return
    path = people.folder / "attestation.json"
    path.write_bytes(other)

    def check() -> None:
        found = signatures.read(path)
        assert found is not None
        signatures.trusted(found, trust.read(people.trust), NOW)

    fails(check)


def variants(content: bytes) -> Iterator[tuple[str, Attestation]]:
    """The attestation with one thing changed by its meaning, and well written: no reader could object to the form."""

    def flipped(text: str) -> str:
        raw = bytearray(base64.b64decode(text))
        raw[len(raw) // 2] ^= 1
        return base64.b64encode(bytes(raw)).decode()

    for at in (None, 0, 1):
        for kind in ("payload", "sig", "keyid", "less", "more"):
            other = json.loads(content)
            envelope = other if at is None else other["signOffs"][at]
            last = envelope["signatures"][-1]
            if kind == "payload":
                envelope["payload"] = flipped(envelope["payload"])
            elif kind == "sig":
                last["sig"] = flipped(last["sig"])
            elif kind == "keyid":
                last["keyid"] = "SHA256:other"
            elif kind == "less":
                envelope["signatures"].pop()
            else:
                envelope["signatures"].append(dict(last))
            yield f"{kind} of {at}", Attestation.model_validate(other)
    found = Attestation.model_validate_json(content)
    (one, two), (first, second) = found.sign_offs, found.signatures
    changes: dict[str, dict[str, object]] = {
        "sign-offs exchanged": {"sign_offs": (two, one)},
        "signatures exchanged": {"signatures": (second, first)},
        "both exchanged": {"sign_offs": (two, one), "signatures": (second, first)},
        "a sign-off removed": {"sign_offs": (one,)},
        "the first signature removed": {"sign_offs": (two,), "signatures": (second,)},
        "the last signature removed": {"sign_offs": (one,), "signatures": (first,)},
        "a sign-off twice": {"sign_offs": (one, one)},
        "nobody": {"sign_offs": (), "signatures": ()},
    }
    for name, change in changes.items():
        yield name, found.model_copy(update=change)


def test_every_region_of_the_attestation_is_covered(signed_once: RunDir, people: People) -> None:
    for name, other in variants((signed_once.path / "attestation.json").read_bytes()):
        try:
            signatures.trusted(other, trust.read(people.trust), NOW)
        except VerificationError:
            continue
        pytest.fail(f"{name} was not noticed")


def test_a_signature_is_checked_before_anything_signed_is_read(signed: RunDir, people: People) -> None:
    path = signed.path / "attestation.json"
    found = Attestation.model_validate_json(path.read_bytes())
    poison = base64.b64encode(b"this is no JSON").decode()
    path.write_bytes(found.model_copy(update={"payload": poison}).stored())
    assert "is not by the key" in fails(lambda: people.verify(signed))


def test_the_sign_off_of_another_run_does_not_fit(tmp_path: Path, signed: RunDir, people: People) -> None:
    other = Written(tmp_path / "other", *CRITERIA, "load.rounds=1").run
    people.sign(other, "tester")
    theirs = Attestation.model_validate_json((other.path / "attestation.json").read_bytes())
    ours = Attestation.model_validate_json((signed.path / "attestation.json").read_bytes())
    mixed = ours.model_copy(update={"sign_offs": (theirs.sign_offs[0], ours.sign_offs[1])})
    (signed.path / "attestation.json").write_bytes(mixed.stored())
    assert "sign-off 1: is of another run" in fails(lambda: people.verify(signed))


# --- who is trusted ----------------------------------------------------------------------------------------------


def test_an_unknown_key_is_named(signed: RunDir, people: People) -> None:
    text = fails(lambda: people.verify(signed, people.text("tester")))
    assert f"nobody who is trusted has the key {people.public['reviewer'].fingerprint}" in text


def test_a_key_counts_only_in_its_role(signed: RunDir, people: People) -> None:
    swapped = people.text("tester", "reviewer").replace("  tester:", "  approver:")
    assert "may not sign as tester" in fails(lambda: people.verify(signed, swapped))


def test_a_role_without_enough_signatures_is_named(signed: RunDir, people: People) -> None:
    assert "approver: 0 of 1" in fails(lambda: people.verify(signed, people.text(*ROLES)))
    two = people.text("tester", "reviewer") + f"      - public: {people.public['approver'].line}\n"
    text = two.replace("  reviewer:\n    threshold: 1", "  reviewer:\n    threshold: 2")
    assert "reviewer: 1 of 2" in fails(lambda: people.verify(signed, text))


def test_the_name_is_that_of_the_key(run: RunDir, people: People) -> None:
    people.sign(run, "tester", name="somebody else")
    assert "that of 张三" in fails(lambda: people.verify(run, people.text("tester")))


@pytest.mark.parametrize(("day", "good"), [("2026-11-25", True), ("2026-11-24", False), ("2020-01-01", False)])
def test_what_an_expired_key_signs_does_not_count(signed: RunDir, people: People, day: str, good: bool) -> None:
    text = people.text("tester", "reviewer", more=f", expires: {day}")
    if good:
        # The day on which it is verified does not matter.
        people.verify(signed, text, NOW + timedelta(days=1000))
    else:
        assert f"had expired on {day}" in fails(lambda: people.verify(signed, text))


def test_an_expired_trust_file_is_of_no_use(signed: RunDir, people: People) -> None:
    text = people.text("tester", "reviewer", top="expires: 2026-12-01\n")
    people.verify(signed, text)
    assert "of no use since 2026-12-01" in fails(lambda: people.verify(signed, text, NOW + timedelta(days=30)))


def test_nothing_is_trusted_without_a_trust_file(signed: RunDir) -> None:
    text = fails(lambda: sealing.verify(str(signed.path), Path("runs"), None, NOW))
    assert "--trust" in text


def test_an_unsigned_run_is_not_verified(run: RunDir, people: People) -> None:
    assert "not signed" in fails(lambda: people.verify(run))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema: 1\nroles: {}\n", "nobody is trusted"),
        ("schema: 1\nroles:\n  tester: {keys: [{public: nonsense}]}\n", r"keys\.0\.public.*cannot be read"),
        ("schema: 1\nroles:\n  boss: {keys: []}\n", r"roles\.boss"),
        ("schema: 2\nroles: {}\n", "schema"),
        ("- a\n", "not a valid trust file"),
    ],
    ids=["empty", "no-key", "no-role", "other-schema", "list"],
)
def test_a_trust_file_that_is_none_is_refused(signed: RunDir, people: People, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        people.verify(signed, text)


def test_one_key_twice_is_not_two_keys(signed: RunDir, people: People) -> None:
    line = people.public["tester"].line
    text = (
        f"schema: 1\nroles:\n  tester:\n    threshold: 2\n    keys:\n      - public: {line}\n      - public: {line} x\n"
    )
    with pytest.raises(UsageError, match="1 different keys"):
        people.verify(signed, text)


# --- one file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["report/report.docx", "report/results.csv", "cases/128-512-c1/round-1/samples.jsonl"])
def test_one_file_beside_its_attestation_is_verified(signed: RunDir, people: People, tmp_path: Path, name: str) -> None:
    sent = tmp_path / "sent"
    sent.mkdir()
    shutil.copy(signed.path / "attestation.json", sent)
    file = sent / f"renamed{Path(name).suffix}"
    shutil.copy(signed.path / name, file)
    found = people.verify(file)
    assert (found.copy, len(found.sign_offs), found.reread) == (name, 2, None)
    file.write_bytes(file.read_bytes() + b"\n")
    assert "no file that was signed" in fails(lambda: people.verify(file))
    assert people.verify(signed.path / name).copy == name


def test_a_copy_from_before_the_last_signature_shows_who_had_signed(run: RunDir, people: People) -> None:
    people.sign(run, "tester")
    early = run.path.parent / "report.docx"
    shutil.copy(run.path / "report" / "report.docx", early)
    people.sign(run, "reviewer")
    shutil.copy(run.path / "attestation.json", early.parent)
    assert [one.role for one in people.verify(early).sign_offs] == ["tester"]


def test_a_file_without_an_attestation_is_not_verified(tmp_path: Path, people: People) -> None:
    file = tmp_path / "report.docx"
    file.write_bytes(b"PK")
    assert "not signed" in fails(lambda: people.verify(file))
