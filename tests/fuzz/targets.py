"""Every parser of what comes from elsewhere: valid inputs to begin with, and how the parser is called.

A parser may refuse with kit's own errors. Anything else that is raised is a defect.
"""

import atexit
import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from hypothesis import strategies as st

from kit import beside, inventory, profile, renderers
from kit.errors import KitError
from kit.images import archive
from kit.instrument import exchange, prompts
from kit.legacy import again, baseline, lines, profiles, tables
from kit.legacy import page as pages
from kit.legacy import report as reports
from kit.loadgens import GENERATORS, ReadingError, exchanges
from kit.model.evidence import Evidence, Raw
from kit.report import building as report
from kit.report import reading
from kit.resources import folder
from kit.signing import keys
from kit.spellings import NONE
from kit.store import RunDir
from kit.workflows import opening, sealing
from tests.fuzz.mutation import mutated, mutated_member
from tests.unit import evalscope_files, old_reports, test_exchanges
from tests.unit.people import CRITERIA
from tests.unit.test_bundles import Made
from tests.unit.written import PROFILE, Written

TESTS = Path(__file__).parents[1]
AT = datetime(2026, 11, 23, 13, 5, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Target:
    """`inputs` to feed to `parse`, which may raise nothing but `refusals`."""

    inputs: st.SearchStrategy[bytes]
    parse: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = (KitError,)

    def feed(self, content: bytes) -> None:
        with suppress(*self.refusals):
            self.parse(content)


def _profile(content: bytes) -> None:
    profile.parse(content.decode("utf-8", "replace"), "fuzzed.yaml")


def _old_report(content: bytes) -> None:
    found = reports.read(content, "fuzzed")
    with suppress(KitError):
        profiles.imported(found)
    again.report(found, content)


def _command_lines(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    for parse in (lines.server, lines.load, lines.split):
        parse(text)


@cache
def _rounds(version: str) -> tuple[Path, tuple[Path, ...]]:
    """A round as the load generator left it, and its files."""
    home = _kept()
    evalscope_files.write(version, home / "raw", home / "stdout.log", [evalscope_files.Request()] * 2)
    return home, tuple(sorted(path for path in home.rglob("*") if path.is_file()))


def _evalscope(version: str, content: bytes) -> None:
    home, files = _rounds(version)
    with _replaced(files, content):
        found = GENERATORS["evalscope"].read(home / "raw", home / "stdout.log", evalscope_files.order(version, 2))
        for sample in found.samples:
            sample.model_dump_json()


def _tool_output(content: bytes) -> None:
    """The same text as the answer to every question: each parser meets the outputs of all tools."""

    class Everywhere(Evidence):
        def __missing__(self, key: str) -> Raw:
            return Raw(content.decode("utf-8", "replace"))

    assert json.loads(inventory.take(Everywhere(), AT).inventory.to_json())


@cache
def _signed_run() -> tuple[Path, Path, tuple[Path, ...]]:
    """A signed run, the trust file that knows its key, and its files."""
    home = _kept()
    made = Written(home, *CRITERIA).run
    public = keys.make(home / "tester.key", "ed25519", None)
    sealing.sign(made, keys.load(str(home / "tester.key"), lambda _: ""), "tester", "张三", AT)
    roles = f"schema: 1\nroles: {{tester: {{keys: [{{name: 张三, public: {public.line}}}]}}}}\n"
    (home / "trust.yaml").write_text(roles, "utf-8")
    kept = (path for path in made.path.rglob("*") if path.suffix in (".json", ".jsonl", ".txt", ".yaml"))
    return made.path, home / "trust.yaml", tuple(sorted(kept))


def _run_directory(content: bytes) -> None:
    path, _, files = _signed_run()
    with _replaced(files, content):
        renderers.render("md", report.build(reading.read(RunDir(path)), None))


def _attestation(content: bytes) -> None:
    path, trusted, _ = _signed_run()
    with _replaced([path / "attestation.json"], content):
        sealing.verify(str(path), path.parent, trusted, AT)


def _trust(content: bytes) -> None:
    path, trusted, _ = _signed_run()
    with _replaced([trusted], content):
        sealing.verify(str(path), path.parent, trusted, AT)


def _kept() -> Path:
    """A folder that lasts as long as this process."""
    made = tempfile.TemporaryDirectory(prefix="kit-fuzz-")
    atexit.register(made.cleanup)
    return Path(made.name)


@contextmanager
def _replaced(files: Sequence[Path], content: bytes) -> Iterator[None]:
    """One of the files with another content: which, is up to the first byte where there are several."""
    path = files[content[0] % len(files)] if content else files[0]
    before = path.read_bytes()
    path.write_bytes(content[1:] if len(files) > 1 else content)
    try:
        yield
    finally:
        path.write_bytes(before)


def _numbered(files: Sequence[Path]) -> tuple[bytes, ...]:
    """Each file's content behind the byte that names it to `_replaced`."""
    return tuple(bytes([number]) + path.read_bytes() for number, path in enumerate(files))


@cache
def _scratch() -> Path:
    return _kept()


_PROMPTS = b"""{"prompt": "Why?"}

{"messages": [{"role": "system", "content": "brief"}, {"role": "user", "content": "How?"}], "output_tokens": 7}
"""


def _prompts(content: bytes) -> None:
    """What passes is what the sender reads."""
    if not any(beside.wrong(content)):
        lines_ = io.TextIOWrapper(io.BytesIO(content), "utf-8")
        assert len(list(prompts.read(lines_))) == beside.number(content) > 0


def _bundle(content: bytes) -> None:
    path = _scratch() / "fuzzed.kit"
    path.write_bytes(content)
    opening.look(path)


def _bundles() -> tuple[bytes, ...]:
    made = Made(files={"tokenizer/tokenizer.json": ("tokenizer", b"{}" * 300)})
    return (made.write(_scratch() / "seed.kit").read_bytes(),)


def _exchanges(content: bytes) -> None:
    """What kit's transport kept, changed inside its compression; the head's events are those of a server."""
    (_scratch() / exchange.FILE).write_bytes(gzip.compress(content, 1))
    for sample in exchanges.read(_scratch(), 2)[0]:
        sample.model_dump_json()


def _answers() -> tuple[bytes, ...]:
    with io.BytesIO() as file:
        for number, found in enumerate((test_exchanges.stream(*test_exchanges.GOOD), test_exchanges.stream((1, "x")))):
            found.index = number
            exchange.write(file, found, NONE, {"counted": (9, 3), "asked": (9, 3), "turn": 1})
        return (file.getvalue(),)


def _archive() -> bytes:
    """An archive of images as small as one can be."""
    described = json.dumps({"os": "linux", "architecture": "arm64", "config": {"Labels": {"a": "b"}}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["kit/a:1"], "Layers": []}]).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, content in (("c.json", described), ("manifest.json", manifest)):
            archive.add(made, name, content)
    return out.getvalue()


def targets() -> dict[str, Target]:
    """All of them by name."""
    old = reports.read(old_reports.markdown().encode(), "old.md")
    word = renderers.render("docx", again.report(old, b""))
    path, trusted, files = _signed_run()
    book = renderers.render("xlsx", report.build(reading.read(RunDir(path)), None))
    outputs = [file.read_bytes() for file in sorted((TESTS / "fixtures").rglob("*")) if file.is_file()]
    lines_ = [text.encode() for text in (old_reports.START, old_reports.LOAD)]
    tables_ = [old_reports.BASELINE.read_bytes(), renderers.render("csv", again.report(old, b""))]
    refused = (KitError, ReadingError)
    found = {
        "profile": Target(mutated([PROFILE.encode(), *_shipped()]), _profile),
        "old report": Target(mutated([old_reports.markdown().encode()]), _old_report),
        "old report in Word": Target(mutated_member([word], "word/document.xml", "word/styles.xml"), _old_report),
        "command lines": Target(mutated(lines_), _command_lines),
        "table": Target(mutated(tables_), lambda content: baseline.read(content, "fuzzed.csv")),
        "workbook": Target(
            mutated_member([book], "xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"),
            lambda content: tables.read(content, "fuzzed.xlsx"),
        ),
        "page": Target(mutated([renderers.render("html", again.report(old, b""))]), _page),
        "tool output": Target(mutated(outputs), _tool_output),
        "run directory": Target(mutated(_numbered(files)), _run_directory),
        "attestation": Target(mutated([(path / "attestation.json").read_bytes()]), _attestation),
        "bundle": Target(mutated(_bundles()), _bundle),
        "answers of a server": Target(mutated(_answers()), _exchanges, (ReadingError,)),
        "prompts": Target(mutated([_PROMPTS]), _prompts),
        "trust file": Target(mutated([trusted.read_bytes()]), _trust),
        "image archive": Target(
            mutated([_archive()]), lambda content: archive.look(io.BytesIO(content)), (KitError, ValueError)
        ),
    }
    for version in ("1.0.1", "1.14.1"):
        found[f"results of evalscope {version}"] = Target(
            mutated(_numbered(_rounds(version)[1])), partial(_evalscope, version), refused
        )
    return found


def _shipped() -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder("profiles").glob("*.yaml"))]


def _page(content: bytes) -> None:
    pages.read(content, "fuzzed.html")
