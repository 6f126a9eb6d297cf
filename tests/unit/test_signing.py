"""Signing: what a signature says, who may not sign and what may not be signed, and what a killed kit leaves."""

import base64
import hashlib
import json
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from docx import Document

from kit import renderers
from kit.errors import IncompleteError, UsageError
from kit.model import Check, Preflight
from kit.model.attestation import ROLES, Attestation
from kit.store import RunDir, write_once
from kit.workflows import running, sealing
from tests.fakes import BEGIN
from tests.unit.people import CRITERIA, NOW, People, fails, falsify, people, run, signed, signed_once
from tests.unit.written import Written, failing

__all__ = ["people", "run", "signed", "signed_once"]


# --- what is signed ----------------------------------------------------------------------------------------------


def test_a_run_signed_by_two_is_genuine(signed: RunDir, people: People) -> None:
    found = people.verify(signed)
    assert [(one.role, one.name) for one in found.sign_offs] == [("tester", "张三"), ("reviewer", "Li Si")]
    assert found.outcome == "PASSED"
    assert found.files == sum(path.is_file() for path in signed.path.rglob("*")) - 1
    assert (found.unread, found.copy) == ((), None)
    assert found.reread is not None
    assert (found.reread.rounds, found.reread.from_raw) == (6, 0)


def test_any_program_can_verify_it(signed: RunDir, people: People) -> None:
    """With nothing but a JSON reader and the keys: no code of kit."""
    found = json.loads((signed.path / "attestation.json").read_bytes())
    lines = {people.public[role].fingerprint: people.public[role].line for role in ("tester", "reviewer")}
    envelopes = [found, *found["signOffs"]]
    assert [len(one["signatures"]) for one in envelopes] == [2, 1, 1]
    for envelope in envelopes:
        payload = base64.b64decode(envelope["payload"])
        kind = envelope["payloadType"].encode()
        message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        for entry in envelope["signatures"]:
            key = load_ssh_public_key(lines[entry["keyid"]].encode())
            signature = base64.b64decode(entry["sig"])
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, message)
                with pytest.raises(InvalidSignature):
                    key.verify(signature, message + b" ")
            else:
                assert isinstance(key, EllipticCurvePublicKey)
                key.verify(signature, message, ECDSA(SHA256()))
    statement = json.loads(base64.b64decode(found["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    present = {
        path.relative_to(signed.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in signed.path.rglob("*")
        if path.is_file() and path.name != "attestation.json" and path.parent.name != "report"
    }
    assert subjects == present
    about = json.loads(base64.b64decode(found["signOffs"][-1]["payload"]))
    copies = {one["name"]: one["digest"]["sha256"] for one in about["subject"][1:]}
    assert sorted(copies) == sorted(f"report/{renderers.file_name(name)}" for name in renderers.STANDARD)
    for name, digest in copies.items():
        assert hashlib.sha256((signed.path / name).read_bytes()).hexdigest() == digest


def test_the_statement_says_what_came_of_which_case(tmp_path: Path, people: People) -> None:
    made = Written(tmp_path, *CRITERIA, change=failing).run
    people.sign(made, "tester")
    said = json.loads(base64.b64decode(json.loads((made.path / "attestation.json").read_bytes())["payload"]))
    predicate = said["predicate"]
    assert predicate["result"] == "FAILED"
    assert predicate["failedTests"] == ["128-512-c2"]
    assert predicate["passedTests"] == ["128-512-c1", "2k-512-c1"]
    assert predicate["warnedTests"] == []
    named = {one["name"]: one for one in predicate["configuration"]}
    plan, inventory = made.plan(), made.inventory()
    assert f"sha256:{named['profile']['digest']['sha256']}" == plan.profile_sha256
    assert f"sha256:{named['machine']['digest']['sha256']}" == inventory.fingerprint
    assert named["kit"]["annotations"] == {"version": plan.kit_version}
    assert {one.title for one in plan.environments} <= set(named)


def test_without_criteria_nothing_has_passed(tmp_path: Path, people: People) -> None:
    made = Written(tmp_path).run
    people.sign(made, "tester")
    assert people.verify(made, people.text("tester")).outcome == "WARNED"


def test_signing_changes_nothing_of_what_was_signed(run: RunDir, people: People) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    people.sign(run, "tester")
    first = json.loads((run.path / "attestation.json").read_bytes())
    people.sign(run, "reviewer")
    second = json.loads((run.path / "attestation.json").read_bytes())
    assert {path: path.read_bytes() for path in before} == before
    assert second["payload"] == first["payload"]
    assert second["signatures"][0] == first["signatures"][0]
    assert second["signOffs"][0] == first["signOffs"][0]


@pytest.mark.parametrize("name", ["md", "docx", "html"])
def test_the_report_shows_who_signed(run: RunDir, people: People, name: str) -> None:
    people.sign(run, "tester")
    people.sign(run, "reviewer", at=NOW + timedelta(hours=1))
    path = run.path / "report" / renderers.file_name(name)
    if name == "docx":
        table = [[cell.text for cell in row.cells] for row in Document(str(path)).tables[-1].rows]
        assert table[0] == ["角色", "姓名", "时间", "密钥指纹"]
        assert table[1] == ["测试", "张三", "2026-11-24 10:00:00 +0800", people.public["tester"].fingerprint]
        assert table[2] == ["审核", "Li Si", "2026-11-24 11:00:00 +0800", people.public["reviewer"].fingerprint]
        text = "\n".join(paragraph.text for paragraph in Document(str(path)).paragraphs)
    else:
        text = path.read_text("utf-8").replace("&#43;", "+")
        for word in ("张三", "Li Si", "2026-11-24 11:00:00 +0800", *(people.public[r].fingerprint for r in ROLES[:2])):
            assert word in text
    found = Attestation.model_validate_json((run.path / "attestation.json").read_bytes())
    assert "attestation.json" in text
    assert found.sha256 in text


def test_the_copies_of_a_signed_run_are_not_written_over(run: RunDir, people: People, tmp_path: Path) -> None:
    people.sign(run, "tester")
    running.write_report(run)
    people.verify(run, people.text("tester"))
    for formats, lang, template in ((["md"], "en", None), (["md"], None, "brief")):
        with pytest.raises(UsageError, match=r"is signed, and so are .*report\.md would not be"):
            running.write_report(run, formats, lang, None, template)
        running.write_report(run, formats, lang, tmp_path / "elsewhere", template)
    people.verify(run, people.text("tester"))


def test_a_signing_that_was_cut_short_can_go_on_without_the_copies(run: RunDir, people: People) -> None:
    people.sign(run, "tester")
    (run.path / "report" / "report.md").write_bytes(b"of the signature that was cut short")
    said = fails(lambda: people.sign(run, "reviewer"))
    assert "report/report.md: was modified" in said
    assert f"where a signing was cut short: remove {run.path / 'report'}" in said
    shutil.rmtree(run.path / "report")
    people.sign(run, "reviewer")
    people.verify(run)


# --- who may not sign, and what may not be signed ----------------------------------------------------------------


def test_one_key_signs_once(run: RunDir, people: People) -> None:
    people.sign(run, "tester")
    with pytest.raises(UsageError, match=r"signed already, as tester \(张三\)"):
        people.sign(run, "reviewer", key="tester")


@pytest.mark.parametrize("state", ["incomplete", "interrupted"])
def test_a_run_cut_short_cannot_be_signed(tmp_path: Path, people: People, state: str) -> None:
    made = Written(tmp_path, missing=["2k-512-c1/round-2"], state=state, reason="stopped")  # type: ignore[arg-type]
    with pytest.raises(IncompleteError, match="only a whole run can be signed"):
        people.sign(made.run, "tester")
    assert not (made.run.path / "attestation.json").exists()


def test_a_run_on_a_machine_that_failed_its_checks_cannot_be_signed(run: RunDir, people: People) -> None:
    failed = Check(name="memory", level="fail", found="1 GiB", needed="64 GiB")
    run.write_preflight(Preflight(at=BEGIN, forced=True, checks=(failed,)), 1)
    with pytest.raises(UsageError, match="cannot be signed") as caught:
        people.sign(run, "tester")
    assert "memory: 1 GiB" in str(caught.value)


def test_a_rehearsal_cannot_be_signed(tmp_path: Path, people: People) -> None:
    made = Written(tmp_path, "report.rehearsal=true").run
    with pytest.raises(UsageError, match="cannot be signed") as caught:
        people.sign(made, "tester")
    assert "rehearsal" in str(caught.value).lower()
    assert not (made.path / "attestation.json").exists()


def test_a_wrong_number_is_not_signed(run: RunDir, people: People) -> None:
    falsify(run)
    assert "output_throughput is" in fails(lambda: people.sign(run, "tester"))


@pytest.mark.parametrize("where", ["plan.json", "inventory.json", "report/report.md", "extra.txt"])
def test_nobody_signs_what_was_altered_since_the_first_signature(run: RunDir, people: People, where: str) -> None:
    people.sign(run, "tester")
    with open(run.path / where, "ab") as file:
        file.write(b"\n")
    text = fails(lambda: people.sign(run, "reviewer"))
    assert "altered since it was signed by 张三 (tester)" in text
    assert where in text


def test_a_forged_earlier_signature_is_not_countersigned(run: RunDir, people: People) -> None:
    people.sign(run, "tester")
    path = run.path / "attestation.json"
    found = Attestation.model_validate_json(path.read_bytes())
    other = found.signatures[0].model_copy(update={"sig": base64.b64encode(bytes(64)).decode()})
    path.write_bytes(found.model_copy(update={"signatures": (other,)}).stored())
    assert "signature 1" in fails(lambda: people.sign(run, "reviewer"))


def test_other_files_beside_the_report_are_not_left_unsigned(run: RunDir, people: People) -> None:
    write_once(run.path / "report" / "report.pdf", b"%PDF")
    with pytest.raises(UsageError, match=r"report/report\.pdf"):
        people.sign(run, "tester")


# --- a kit that was killed while it wrote ------------------------------------------------------------------------


DEAD = f"1.1.1.{os.stat('/proc/self/ns/pid').st_ino}"
OTHER = f"{DEAD}.00000000.00000001"
"""A kit that has ended, and one of another machine, of which this is not known."""


def half(run: RunDir, name: str, whose: str) -> Path:
    """A file that a kit was writing."""
    folder, _, last = name.rpartition("/")
    path = run.path / folder / f".{last}.{whose}.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("half")
    return path


@pytest.mark.parametrize("name", ["attestation.json", "report/report.docx", "report/brief/report.md", "run.json"])
def test_what_a_killed_kit_left_is_gone_before_somebody_signs(name: str, run: RunDir, people: People) -> None:
    for role in ("tester", "reviewer"):
        left = half(run, name, DEAD)
        people.sign(run, role)
        assert not left.exists()
        shutil.rmtree(run.path / "report" / "brief", ignore_errors=True)
    assert people.verify(run).unfinished == ()


def test_what_a_killed_kit_left_is_gone_when_a_report_is_written(run: RunDir) -> None:
    left = [half(run, name, DEAD) for name in ("attestation.json", "report/report.docx")]
    running.write_report(run)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("whose", [OTHER, "abcd_123"], ids=["another-machine", "earlier-kit"])
@pytest.mark.parametrize("name", ["attestation.json", "report/report.docx", "run.json"])
def test_what_another_kit_may_be_writing_is_not_signed(name: str, whose: str, run: RunDir, people: People) -> None:
    left = half(run, name, whose)
    with pytest.raises(UsageError, match=f"{re.escape(left.name)}: is not finished"):
        people.sign(run, "tester")
    left.unlink()
    people.sign(run, "tester")


@pytest.mark.parametrize("whose", [DEAD, OTHER, "abcd_123"], ids=["killed", "another-machine", "earlier-kit"])
@pytest.mark.parametrize("name", ["attestation.json", "report/report.docx", "cases/2k-512-c1/round-1/result.json"])
def test_what_a_killed_kit_left_is_told_and_spoils_no_verification(
    name: str, whose: str, signed: RunDir, people: People
) -> None:
    left = half(signed, name, whose)
    files = people.verify(signed)
    assert files.unfinished == (left.relative_to(signed.path).as_posix(),)
    assert left.exists()
    path = signed.path / name
    path.write_bytes(path.read_bytes() + b" ")
    fails(lambda: people.verify(signed))


@pytest.mark.parametrize(
    "name",
    [
        f".other.json.{DEAD}.part",
        f"cases/.run.json.{DEAD}.part",
        f"run.json.{DEAD}.part",
        f".run.json.{DEAD}.part.gz",
        f".run.json.{DEAD[:-1]}x.part",
        ".run.json.abcd-123.part",
        ".run.json.part",
    ],
)
def test_no_other_name_is_taken_for_an_unfinished_file(name: str, signed: RunDir, people: People) -> None:
    (signed.path / name).write_text("half")
    assert f"{name}: was added" in fails(lambda: people.verify(signed))


def test_an_unfinished_file_that_an_earlier_kit_had_signed_stays_signed(
    run: RunDir, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = half(run, "attestation.json", "abcd_123")
    with monkeypatch.context() as earlier:
        earlier.setattr(sealing, "_require_finished", lambda *_: None)
        people.sign(run, "tester")
    people.sign(run, "reviewer")
    assert people.verify(run).unfinished == ()
    left.write_text("other")
    assert f"{left.name}: was modified" in fails(lambda: people.verify(run))
