"""Signing and verifying: who signed what, that nothing was altered, and that the figures follow from the requests."""

import base64
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from docx import Document
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.signer import HSMSigner

from kit import renderers, stats
from kit.errors import IncompleteError, KitError, UsageError, VerificationError
from kit.loadgens import GENERATORS, evalscope
from kit.loadgens.reading import Reading
from kit.model import Check, Order, Preflight, RoundPlan, RoundResult
from kit.model.attestation import ROLES, Attestation, Role
from kit.model.report import Report
from kit.signing import attesting, keys, rereading, signatures, trust
from kit.store import RunDir, write_once
from kit.workflows import running, sealing
from tests.fakes import BEGIN
from tests.unit import evalscope_files
from tests.unit.written import Written, failing

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
NAMES: dict[Role, str] = {"tester": "张三", "reviewer": "Li Si", "approver": "王五"}
CRITERIA = ("acceptance.success_rate=100%",)


@dataclass(frozen=True)
class People:
    """Three people with a key each, and the trust file that names them."""

    folder: Path
    public: dict[Role, keys.Public]

    @property
    def trust(self) -> Path:
        return self.folder / "trust.yaml"

    def private(self, role: Role) -> keys.Private:
        return keys.load(str(self.folder / f"{role}.key"), never)

    def sign(self, run: RunDir, role: Role, **changed: object) -> None:
        name = str(changed.get("name", NAMES[role]))
        key: object = changed.get("key", role)
        at = changed.get("at", NOW)
        assert isinstance(at, datetime)
        sealing.sign(run, keys.load(str(self.folder / f"{key}.key"), never), role, name, at)

    def verify(self, path: Path | RunDir, trust_text: str | None = None, now: datetime = NOW) -> sealing.Verified:
        file = self.trust
        if trust_text is not None:
            file = self.folder / "other.yaml"
            file.write_text(trust_text, "utf-8")
        where = path.path if isinstance(path, RunDir) else path
        return sealing.verify(str(where), Path("runs"), file, now)

    def text(self, *roles: Role, threshold: int = 1, more: str = "", top: str = "") -> str:
        lines = [f"schema: 1\n{top}roles:"]
        for role in roles:
            lines.append(f"  {role}:\n    threshold: {threshold}\n    keys:")
            lines.append(f"      - {{name: {NAMES[role]}, public: {self.public[role].line}{more}}}")
        return "\n".join(lines) + "\n"


def never(what: str) -> str:
    raise AssertionError(f"asked for the {what}")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    folder = tmp_path_factory.mktemp("people")
    made = {
        role: keys.make(folder / f"{role}.key", "ecdsa" if role == "reviewer" else "ed25519", None) for role in ROLES
    }
    found = People(folder, made)
    found.trust.write_text(found.text("tester", "reviewer"), "utf-8")
    return found


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return Written(tmp_path, *CRITERIA).run


@pytest.fixture(scope="module")
def signed_once(people: People, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run that two have signed; tests that alter it take a copy."""
    made = Written(tmp_path_factory.mktemp("signed"), *CRITERIA).run
    people.sign(made, "tester")
    people.sign(made, "reviewer", at=NOW + timedelta(hours=1))
    return made


@pytest.fixture
def signed(signed_once: RunDir, tmp_path: Path) -> RunDir:
    return RunDir(shutil.copytree(signed_once.path, tmp_path / signed_once.name))


def fails(act: Callable[[], object]) -> str:
    with pytest.raises(VerificationError) as caught:
        act()
    assert caught.value.exit_code == 6
    return str(caught.value)


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


# --- is it true --------------------------------------------------------------------------------------------------


def falsify(run: RunDir, factor: float = 1.1) -> None:
    """A better throughput in the first round than its requests have."""
    path = run.round_directory(run.plan().rounds[0]) / "result.json"
    result = RoundResult.model_validate_json(path.read_bytes())
    assert result.figures.output_throughput is not None
    better = result.figures.model_copy(update={"output_throughput": result.figures.output_throughput * factor})
    path.write_bytes(result.model_copy(update={"figures": better}).to_json())


@pytest.mark.parametrize("factor", [1.1, 1.000001])
def test_a_signed_wrong_number_is_found(
    run: RunDir, people: People, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """Signed by a kit that does not look: the signatures are genuine, the files are those that were signed."""
    falsify(run, factor)
    with monkeypatch.context() as patched:
        patched.setattr(rereading, "run", lambda _: rereading.Reread((), 6, 0))
        people.sign(run, "tester")
    text = fails(lambda: people.verify(run, people.text("tester")))
    assert "not true" in text
    assert "cases/128-512-c1/round-1/result.json: output_throughput is" in text


@pytest.mark.parametrize("name", ["md", "docx", "html", "csv", "xlsx"])
def test_a_signed_report_with_another_number_is_found(
    run: RunDir, people: People, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    render = renderers.render

    def better(kind: str, built: object, *_: object) -> bytes:
        assert isinstance(built, Report)
        if kind != name:
            return render(kind, built)
        rows = tuple(row.model_copy(update={"output_throughput": 99.0}) for row in built.rows)
        rounds = tuple(row.model_copy(update={"output_throughput": 99.0}) for row in built.rounds)
        return render(kind, built.model_copy(update={"rows": rows, "rounds": rounds}))

    with monkeypatch.context() as patched:
        patched.setattr(renderers, "render", better)
        people.sign(run, "tester")
    text = fails(lambda: people.verify(run, people.text("tester")))
    assert f"report/{renderers.file_name(name)}: 128-512-c1" in text
    assert "output_throughput is 99" in text


def test_a_signed_wrong_verdict_is_found(tmp_path: Path, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Written(tmp_path, *CRITERIA, change=failing).run
    true = attesting.result
    with monkeypatch.context() as patched:
        patched.setattr(attesting, "result", lambda *a: true(*a).model_copy(update={"result": "PASSED"}))
        people.sign(made, "tester")
    assert "PASSED was signed, the files give FAILED" in fails(lambda: people.verify(made, people.text("tester")))


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


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_new_key_is_for_its_owner_and_opens_with_its_passphrase(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "my.key"
    made = keys.make(path, kind, "correct horse")  # type: ignore[arg-type]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY")
    assert (tmp_path / "my.key.pub").read_text() == made.line + "\n"
    assert keys.load(str(path), lambda _: "correct horse").public.fingerprint == made.fingerprint
    with pytest.raises(UsageError, match="passphrase does not open it"):
        keys.load(str(path), lambda _: "wrong")
    with pytest.raises(UsageError, match="exists already"):
        keys.make(path, "ed25519", None)


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_the_keys_of_openssh_are_read(tmp_path: Path, run: RunDir, people: People, passphrase: str | None) -> None:
    hidden = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, hidden)
    path = tmp_path / "id_ed25519"
    path.write_bytes(content)
    private = keys.load(str(path), (lambda _: str(passphrase)) if passphrase else never)
    sealing.sign(run, private, "tester", "张三", NOW)
    people.verify(run, f"schema: 1\nroles:\n  tester: {{keys: [{{public: {private.public.line} me@here}}]}}\n")
    if passphrase:
        with pytest.raises(UsageError, match="passphrase does not open it"):
            keys.load(str(path), lambda _: "wrong")


def test_public_keys_are_read_as_a_line_and_as_pem(people: People) -> None:
    line = people.public["reviewer"].line
    pem = load_ssh_public_key(line.encode()).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert keys.parse(pem).fingerprint == keys.parse(f"{line} somebody@somewhere").fingerprint


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nowhere.key", "cannot be read"),
        ("pkcs12:thing", "neither a file nor the URI"),
        ("file2:/etc/passwd", "neither a file nor the URI"),
        ("hsm:2?label=me", "needs its public key"),
    ],
)
def test_what_is_no_key_is_refused(reference: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        keys.load(reference, never)


def test_a_token_without_its_library_is_said(people: People) -> None:
    with pytest.raises(UsageError, match="library"):
        keys.load("hsm:2?label=me", never, people.folder / "tester.key.pub")


@pytest.mark.parametrize(
    ("module", "error", "told"),
    [("pkcs11.exceptions", UsageError, "the token did not sign: PinIncorrectError"), ("elsewhere", RuntimeError, "^$")],
)
def test_a_token_that_refuses_is_no_defect(
    people: People, run: RunDir, monkeypatch: pytest.MonkeyPatch, module: str, error: type[Exception], told: str
) -> None:
    class PinIncorrectError(RuntimeError):
        pass

    def refuse(_: bytes) -> None:
        raise PinIncorrectError

    PinIncorrectError.__module__ = module
    private = people.private("tester")
    monkeypatch.setattr(private.signer, "sign", refuse)
    with pytest.raises(error, match=told):
        sealing.sign(run, private, "tester", "张三", NOW)


def test_a_module_of_a_token_that_is_not_there_is_no_defect(
    people: People, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as PYKCS11LIB=/nowhere: python-pkcs11 raises a plain RuntimeError."""

    def missing(_: object, __: bytes) -> None:
        raise RuntimeError("OS exception while loading /nowhere.so: no such file")

    monkeypatch.setattr(HSMSigner, "sign", missing)
    private = people.private("tester")
    token = replace(private, signer=HSMSigner.__new__(HSMSigner))
    with pytest.raises(UsageError, match=r"did not sign: RuntimeError OS exception while loading /nowhere\.so") as told:
        sealing.sign(run, token, "tester", "张三", NOW)
    assert "PYKCS11LIB" in told.value.hint


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rsa.key"
    made = generate_private_key(65537, 2048)
    path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UsageError, match="another kind"):
        keys.load(str(path), never)
    path.write_bytes(b"nothing")
    with pytest.raises(KitError, match="no private key"):
        keys.load(str(path), never)


def test_small_figures_of_unlike_size_are_read_back_as_they_were_written(tmp_path: Path, people: People) -> None:
    """0.0094 beside 0.011: what is small has two digits, so one column holds steps of different sizes."""

    def change(entry: RoundPlan, _: int) -> dict[str, object]:
        tpot = 0.0094 if entry.case.concurrency == 1 else 0.01113632966
        return {"ttft_s": 0.01, "latency_s": 0.01 + 511 * tpot}

    run = Written(tmp_path, change=change).run
    people.sign(run, "tester")
    assert people.verify(run, people.text("tester")).unread == ()


# --- the load generator's own files ------------------------------------------------------------------------------


@pytest.fixture(params=["1.0.1", "1.14.1"])
def measured(request: pytest.FixtureRequest, tmp_path: Path) -> RunDir:
    """A run whose rounds hold what evalscope wrote, read by kit."""
    version = str(request.param)
    made = Written(tmp_path, *CRITERIA, f"load.version={version}")
    for entry in made.plan.rounds:
        home = made.run.round_directory(entry)
        shutil.rmtree(home)
        given, asked = entry.case.input.tokens, entry.case.output.tokens
        sent = [
            evalscope_files.Request(sent=0.1 * number, usage=(given, asked), counted=(given, asked))
            for number in range(entry.case.requests)
        ]
        evalscope_files.write(version, home / "raw", home / "stdout.log", sent)
        reading = GENERATORS["evalscope"].read(home / "raw", home / "stdout.log", entry.order)
        figures = stats.figures(entry.case, reading.samples)
        result = RoundResult(
            case=entry.case,
            round=entry.round,
            started=BEGIN,
            duration_s=2.0,
            command="evalscope",
            figures=figures,
            native=reading.native,
        )
        made.run.write_round(entry, result, reading.samples)
    return made.run


def test_figures_are_worked_out_again_from_the_raw_output(measured: RunDir, people: People) -> None:
    people.sign(measured, "tester")
    again = people.verify(measured, people.text("tester")).reread
    assert again is not None
    assert (again.problems, again.rounds, again.from_raw) == ((), 6, 6)


@pytest.mark.parametrize("factor", [0.5, 0.99999])
def test_signed_requests_that_the_raw_output_does_not_hold_are_found(
    measured: RunDir, people: People, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """Faster requests, with the very figures that follow from them: only the load generator's own files tell."""
    entry = measured.plan().rounds[0]
    samples = [
        one.model_copy(update={"latency_s": one.latency_s * factor})
        for one in measured.samples(entry)
        if one.latency_s is not None
    ]
    home = measured.round_directory(entry)
    result = RoundResult.model_validate_json((home / "result.json").read_bytes())
    for name in ("command.txt", "samples.jsonl", "result.json"):
        (home / name).unlink()
    figures = stats.figures(entry.case, samples)
    measured.write_round(entry, result.model_copy(update={"figures": figures}), samples)
    assert "raw/ gives" in fails(lambda: people.sign(measured, "tester"))
    with monkeypatch.context() as patched:
        patched.setattr(rereading, "run", lambda _: rereading.Reread((), 6, 6))
        people.sign(measured, "tester")
    text = fails(lambda: people.verify(measured, people.text("tester")))
    assert "cases/128-512-c1/round-1/samples.jsonl: line 1: latency_s is" in text


def test_what_an_earlier_kit_did_not_take_from_the_raw_output_is_no_difference(
    measured: RunDir, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = evalscope.read

    def more(raw: Path, log: Path, order: Order) -> Reading:
        found = read(raw, log, order)
        return replace(found, samples=tuple(one.model_copy(update={"server_prefill_s": 0.5}) for one in found.samples))

    monkeypatch.setattr(evalscope, "read", more)
    people.sign(measured, "tester")
    entry = measured.plan().rounds[0]
    samples = [one.model_copy(update={"server_prefill_s": 0.4}) for one in measured.samples(entry)]
    result = RoundResult.model_validate_json((measured.round_directory(entry) / "result.json").read_bytes())
    for name in ("command.txt", "samples.jsonl", "result.json"):
        (measured.round_directory(entry) / name).unlink()
    measured.write_round(entry, result, samples)
    assert "server_prefill_s is 0.4, raw/ gives 0.5" in fails(lambda: people.sign(measured, "reviewer"))


def test_raw_output_without_its_database_is_found(measured: RunDir, people: People) -> None:
    next(measured.path.rglob("benchmark_data.db")).unlink()
    assert "benchmark_data.db" in fails(lambda: people.sign(measured, "tester"))
