"""Every command that the user documentation shows is run, as it is written."""

import re
import shlex
from pathlib import Path

import pytest

from kit import errors
from kit.errors import KitError
from tests.integration.driver import Kit, free_port

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "README.zh-CN.md")
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?kit .*", re.MULTILINE)

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("documents")]


def commands(document: str) -> list[str]:
    """The kit commands in the document's shell blocks; lines that end in a backslash go on."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / document).read_text("utf-8"), re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    return [re.sub(r"\s+# .*$", "", found) for found in COMMAND.findall(text)]


@pytest.fixture(scope="module")
def home(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """A directory with one finished run."""
    kit = Kit(tmp_path_factory.mktemp("documents"), cache)
    small = "load.cases=[{input: 64, output: 8, concurrency: [1]}]"
    done = kit.run("run", "smoke", "--set", small, "--set", f"server.port={free_port()}", "--set", "load.rounds=1")
    assert done.code == 0, done.err
    return kit


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_a_document_works(document: str, home: Kit, tmp_path: Path) -> None:
    found = commands(document)
    assert len(found) >= 8
    for command in found:
        words = shlex.split(command)
        if "=" in words[0]:
            words.pop(0)
        arguments = words[1:]
        if arguments[0] == "run":
            # What such a run does is tested elsewhere; here, that the command line is one, down to the last field.
            arguments.append("--plan")
        if "--out" in arguments:
            arguments[arguments.index("--out") + 1] = str(tmp_path / "out")
        done = home.run(*arguments)
        assert done.code == 0, f"{document}: {command}\n{done.err}"


def test_both_languages_show_the_same() -> None:
    shown: list[list[str]] = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text("utf-8")
        # What has no language, in its order: sections, rows of tables, pictures, blocks, links.
        kinds = re.findall(r"^(?:#+ |\||!\[|```\w*)", text, re.MULTILINE)
        links = sorted(re.findall(r"\]\((docs/[^)]*)", text))
        shown.append([*commands(document), *kinds, *links])
    assert shown[0] == [word.replace("kit report latest", "kit report latest --lang en") for word in shown[1]]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_exit_code_is_told(document: str) -> None:
    parts = (ROOT / document).read_text("utf-8").split("\n## ")
    [part] = [part for part in parts if "· 130 " in part]
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KitError)}
    assert {int(code) for code in re.findall(r"(?:^|·\s)(\d+) ", part, re.MULTILINE)} == {0, *codes}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_profile_in_the_readme_is_a_profile(document: str, home: Kit) -> None:
    text = re.search(r"```yaml\n(schema: 1\n.*?)```", (ROOT / document).read_text("utf-8"), re.DOTALL)
    assert text is not None
    (home.home / "readme.yaml").write_text(text[1], "utf-8")
    done = home.run("profile", "check", "readme.yaml")
    assert done.code == 0, done.err


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_of_a_document_leads_somewhere(document: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / document).read_text("utf-8"))
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]
