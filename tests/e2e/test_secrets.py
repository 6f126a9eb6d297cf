"""Canaries: secrets planted wherever one may be, and everything that kit leaves behind searched for them."""

import base64
import gzip
import io
import lzma
import os
import sqlite3
import tarfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.integration.driver import Done, Kit
from tests.stub_server import Behaviour, Stub, serving

KEY = "sk-canary>>0123?456789"
"""The API key of the endpoint; its base64 and its URL spelling differ from it."""
PASSWORD = "canary-pass-4711"
"""The password of a proxy, in the URL that such variables hold."""
UNRELATED = "canary-of-another-program"
"""A secret in the environment that is no business of kit's."""
ENVIRONMENT = {
    "ENDPOINT_KEY": KEY,
    "http_proxy": f"http://me:{PASSWORD}@127.0.0.1:1",
    "HTTPS_PROXY": f"http://me:{PASSWORD}@127.0.0.1:1",
    "no_proxy": "127.0.0.1",
    "AWS_SECRET_ACCESS_KEY": UNRELATED,
}
CANARIES = (KEY, PASSWORD, UNRELATED)


def spellings(secret: str) -> set[bytes]:
    encoded = secret.encode()
    # Within something longer base64 may begin at three places; in the middle of it no character is of anything else.
    within = [base64.b64encode(bytes(before) + encoded)[4:-4] for before in range(3)]
    return {
        encoded,
        urllib.parse.quote(secret, safe="").encode(),
        base64.b64encode(encoded).rstrip(b"="),
        *within,
        encoded.hex().encode(),
        *("".join(way.format(byte) for byte in encoded).encode() for way in ("\\u{:04x}", "%{:02X}", "&#{};")),
    }


def layers(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file's bytes, and those of everything packed into it."""
    yield name, content
    if content.startswith(b"PK"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from layers(f"{name}!{member}", archive.read(member))
    for magic, unpack in ((b"\x1f\x8b", gzip.decompress), (b"\xfd7zXZ", lzma.decompress)):
        if not content.startswith(magic):
            continue
        with suppress(OSError, lzma.LZMAError, EOFError, zlib.error):
            yield from layers(f"{name}!", unpack(content))
    if content.startswith(b"SQLite format 3"):
        for number, value in enumerate(values(content)):
            yield f"{name}!value-{number}", value
            with suppress(ValueError):
                yield f"{name}!value-{number}!base64", base64.b64decode(value, validate=True)
    with suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(content), mode="r:") as packed:
        for entry in packed:
            if (file := packed.extractfile(entry)) is not None:
                yield from layers(f"{name}!{entry.name}", file.read())


def values(database: bytes) -> Iterator[bytes]:
    """Every text in the tables of a database, whatever pages it lies on."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database)
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                yield from (value.encode() for value in row if isinstance(value, str))


def found(folder: Path, *said: str) -> list[str]:
    """Where a canary sings: in the files of a folder, or in what was printed."""
    texts = [(f"terminal {number}", text.encode()) for number, text in enumerate(said)]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            texts += layers(str(path.relative_to(folder)), path.read_bytes())
    wanted = {spelling for canary in CANARIES for spelling in spellings(canary)}
    return [f"{name}: {word!r}" for name, content in texts for word in wanted if word in content]


def test_the_search_finds_what_is_packed_into_archives(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as packed:
        member = tarfile.TarInfo("deep")
        member.size = len(KEY)
        packed.addfile(member, io.BytesIO(KEY.encode()))
    with zipfile.ZipFile(tmp_path / "a.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.tar.gz", gzip.compress(inner.getvalue()))
    assert {line.split(":")[0] for line in found(tmp_path)} == {"a.docx!b.tar.gz!", "a.docx!b.tar.gz!!deep"}


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving(Behaviour(key=KEY)) as server:
        yield server


def run(kit: Kit, stub: Stub, tokenizer: Path, model: str, *more: str, **env: str) -> Done:
    settings = (
        f"server.url={stub.url}",
        f"server.model={model}",
        "server.api_key={env: ENDPOINT_KEY}",
        f"load.tokenizer={tokenizer}",
        "load.cases=[{input: 64, output: 8, concurrency: [2]}]",
        *more,
    )
    options = [word for setting in settings for word in ("--set", setting)]
    return kit.run("run", "external", *options, env={**ENVIRONMENT, **env})


@pytest.mark.parametrize(
    "generator", [("precise", "1.14.1"), ("evalscope", "1.14.1"), ("evalscope", "1.0.1")], ids="-".join
)
def test_a_run_in_which_the_server_repeats_the_key_leaves_it_nowhere(
    kit: Kit, stub: Stub, tokenizer: Path, generator: tuple[str, str]
) -> None:
    # Long answers, so that the load generator's database has them on more pages than one.
    ways = ["load.cases=[{input: 64, output: 96, concurrency: [2]}]"]
    ways += [f"load.{name}={value}" for name, value in zip(("transport", "version"), generator, strict=True)]
    done = run(
        kit, stub, tokenizer, "echo-key@1,tell-key@2,spell-key@3,whole-key@4", *ways, "load.requests_per_client=2"
    )
    assert {request.authorization for request in stub.log.measured} == {f"Bearer {KEY}"}
    assert "2 FAILED" in done.err, done.err
    again = kit.run("report", "latest", "--format", "md,docx,html,xlsx,csv", "--to", "again", env={"ENDPOINT_KEY": KEY})
    assert again.code == 0, again.err
    left_out = [word for part in ("images", "wheels", "kit") for word in ("--without", part)]
    packed = kit.run("bundle", "make", "latest", "-o", "run.kit", *left_out, env=ENVIRONMENT)
    assert packed.code == 0, packed.err
    inside = [name for name, _ in layers("run.kit", (kit.home / "run.kit").read_bytes())]
    assert any("samples.jsonl" in name for name in inside), inside
    assert any(kit.home.glob("runs/*/cases/*/*/raw/**/*")), "what the load generator wrote was searched, too"
    assert found(kit.home, done.out, done.err, again.out, again.err, packed.out, packed.err) == []


def test_a_crash_of_kit_does_not_print_the_key(kit: Kit, stub: Stub, tokenizer: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('ENDPOINT_KEY'):\n"
        "    from kit.running import runner\n"
        "    def execute(*arguments, **named):\n"
        "        raise RuntimeError(f'cannot call {arguments} with {os.environ[\"ENDPOINT_KEY\"]}')\n"
        "    runner.execute = execute\n"
    )
    path = f"{tmp_path / 'broken'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with pytest.raises(AssertionError, match="a defect of kit") as told:
        run(kit, stub, tokenizer, "good", PYTHONPATH=path)
    assert "RuntimeError: cannot call" in str(told.value)
    assert found(kit.home, str(told.value)) == []
