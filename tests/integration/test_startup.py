"""Commands that need little start with little: heavy libraries are imported only where they are used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.driver import variables

HEAVY = ("docker", "pandas", "httpx", "openpyxl", "jinja2", "evalscope", "numpy", "PIL", "docx", "matplotlib")
SCRIPT = """
import json, sys
from kit.cli import main
sys.argv = ["kit", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    sys.stderr.write(json.dumps({"code": ended.code, "modules": sorted(sys.modules)}))
"""


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("profile", "list"), ("run", "--help"), ("report", "--help")],
    ids=" ".join,
)
def test_a_light_command_imports_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=tmp_path,
        env=variables(tmp_path / "cache"),
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] in (0, None)
    assert {name.split(".")[0] for name in told["modules"]} & set(HEAVY) == set()


def test_kit_runs_as_a_module_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kit", "--version"],
        cwd=tmp_path,
        env=variables(tmp_path / "cache"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("kit ")


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        (">/dev/full", 1, "kit: stdout cannot be written: No space left on device\n"),
        ("</dev/null >&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ],
    ids=["full", "closed", "all-closed", "full-err"],
)
def test_only_a_result_that_cannot_be_written_is_an_error(
    redirected: str, code: int, said: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirected}', "sh", sys.executable, "-m", "kit", "profile", "list"],
        cwd=tmp_path,
        env=variables(tmp_path / "cache"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, said)
