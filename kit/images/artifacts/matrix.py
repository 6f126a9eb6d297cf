"""Which torch-npu goes with which CANN: a judgement on data that lies in `images/cann/matrix.toml`."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from kit.errors import EnvironmentUnavailableError, Problem, UsageError
from kit.model import Record


class Pairing(Record):
    """One version of CANN and the versions of torch-npu that go with it; `unconfirmed` ones were seen in use only."""

    version: str
    torch_npu: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()


class Torch(Record):
    """Releases of torch (`2.6`) and the versions of Python that they exist for."""

    releases: tuple[str, ...]
    python: tuple[str, ...]


class Matrix(Record):
    """The whole table."""

    schema_version: int = Field(alias="schema", ge=1, le=1)
    cann: tuple[Pairing, ...]
    torch: tuple[Torch, ...] = ()


def read(path: Path) -> Matrix:
    """The table in a file. Raises `UsageError` where it is none."""
    try:
        return Matrix.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise UsageError(f"{path} is not a table of versions that kit can read: {error}") from error


def require(path: Path, *, cann: str, torch: str, torch_npu: str, python: str | None) -> tuple[str, ...]:
    """Raise `EnvironmentUnavailableError` where these do not go together, with every reason; return what to know besides.

    Whatever follows a `+` in a version names who built it, and is not compared. `python` is such as `3.11`, or None where
    the wheels fit any.
    """
    table = read(path)
    if problems := tuple(_problems(table, public(cann), public(torch), public(torch_npu), python)):
        msg = f"torch {torch} and torch-npu {torch_npu} do not go with CANN {cann}"
        hint = "kit image add-artifact FILE --replace takes another wheel; the table is images/cann/matrix.toml"
        raise EnvironmentUnavailableError(msg, problems=problems, hint=hint)
    pairing = _pairing(table, public(cann))
    if pairing is not None and public(torch_npu) in pairing.unconfirmed:
        return (f"torch-npu {torch_npu} with CANN {cann} was seen in use, but is not in the vendor's table",)
    return ()


def public(version: str) -> str:
    """A version without what its builder appended after a `+`."""
    return version.partition("+")[0]


def _problems(table: Matrix, cann: str, torch: str, torch_npu: str, python: str | None) -> Iterator[Problem]:
    pairing = _pairing(table, cann)
    if pairing is None:
        known = ", ".join(entry.version for entry in table.cann)
        yield Problem(
            f"CANN {cann}", "is not in the table", f"it has {known}; a line for another CANN can be added to it"
        )
    elif torch_npu not in (*pairing.torch_npu, *pairing.unconfirmed):
        others = [entry.version for entry in table.cann if torch_npu in (*entry.torch_npu, *entry.unconfirmed)]
        meant = (
            f"{torch_npu} is for CANN {' and '.join(others)}" if others else f"{torch_npu} is in no line of the table"
        )
        takes = " or ".join((*pairing.torch_npu, *pairing.unconfirmed))
        yield Problem("torch-npu", f"CANN {cann} takes {takes}", meant)
    wanted = re.sub(r"\.post[0-9]+$", "", torch_npu)
    if torch != wanted:
        yield Problem("torch", f"torch-npu {torch_npu} is built for torch {wanted}, not {torch}")
    supported = {found for entry in table.torch if _release(torch) in entry.releases for found in entry.python}
    if python is not None and supported and python not in supported:
        listed = ", ".join(sorted(supported, key=lambda text: tuple(map(int, text.split(".")))))
        yield Problem("Python", f"torch-npu for torch {_release(torch)} exists for Python {listed}, not {python}")


def _pairing(table: Matrix, cann: str) -> Pairing | None:
    return next((entry for entry in table.cann if entry.version.lower() == cann.lower()), None)


def _release(version: str) -> str:
    return ".".join(version.split(".")[:2])
