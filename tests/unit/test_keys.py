"""Keys: made, read in the forms of other programs, and refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from securesystemslib.signer import HSMSigner

from kit.errors import KitError, UsageError
from kit.signing import keys
from kit.store import RunDir
from kit.workflows import sealing
from tests.unit.people import NOW, People, never, people, run

__all__ = ["people", "run"]


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
