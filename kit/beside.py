"""The files that a profile names by paths relative to its own: a baseline, and prompts."""

import errno
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from kit import bounded
from kit.errors import Problem, ProfileError
from kit.instrument import prompts as lines
from kit.model import Profile
from kit.model.cases import CaseGroup
from kit.model.shapes import Prompts

MOST_BYTES = 256 * 1024**2
"""Of all prompts of a profile together."""
BASELINE_BYTES = 20_000_000
_MOST_TOLD = 5

Contents = Mapping[str, bytes]
"""Files of prompts by their SHA-256."""


def baseline(profile: Profile, folder: Path) -> bytes | None:
    """The baseline's bytes, if one is named. Raises `ProfileError`."""
    if profile.acceptance.baseline is None:
        return None
    path = folder / profile.acceptance.baseline
    try:
        return bounded.read(path, BASELINE_BYTES)
    except OSError as error:
        problem = Problem("acceptance.baseline", f"{path} cannot be read: {error.strerror}")
        raise ProfileError(f"{profile.name} names a baseline that cannot be read", problems=(problem,)) from error


def prompts(profile: Profile, folder: Path) -> tuple[Profile, Contents]:
    """The profile with the digests of its files of prompts, and what these hold. Raises `ProfileError` with all that is wrong."""
    contents: dict[str, bytes] = {}
    digests: dict[str, str] = {}
    problems: list[Problem] = []
    for where, told in named(profile):
        path = folder / told.path
        if told.path not in digests:
            content, wrong = _read(path, MOST_BYTES - sum(map(len, contents.values())))
            problems += [Problem(where, one) for one in wrong]
            digests[told.path] = hashlib.sha256(content).hexdigest()
            contents[digests[told.path]] = content
        # Of what cannot be read, no digest is told as another one.
        if not (found := digests[told.path]).startswith(told.sha256 or "") and contents[found]:
            what = f"{path} has SHA-256 {found}, and the profile names {told.sha256}"
            problems.append(Problem(where, what, "restore the file, or leave sha256 out"))
    if problems:
        raise ProfileError(f"{profile.name} names prompts that cannot be sent", problems=problems)
    groups = tuple(_pinned(group, digests) for group in profile.load.cases)
    load = profile.load.model_copy(update={"cases": groups})
    return profile.model_copy(update={"load": load}), contents


def _pinned(group: CaseGroup, digests: Mapping[str, str]) -> CaseGroup:
    if group.prompts is None:
        return group
    pinned = group.prompts.model_copy(update={"sha256": digests[group.prompts.path]})
    return group.model_copy(update={"prompts": pinned})


def named(profile: Profile) -> Iterator[tuple[str, Prompts]]:
    """Each file of prompts that a profile names, with the place where it does."""
    for position, group in enumerate(profile.load.cases):
        if group.prompts is not None:
            yield f"load.cases.{position}.prompts", group.prompts


def missing(profile: Profile, contents: Contents) -> Iterator[Problem]:
    """Files of prompts that a profile names and that are not there."""
    for where, told in named(profile):
        if told.sha256 not in contents:
            what = f"{told.path}{f' with SHA-256 {told.sha256}' if told.sha256 else ''} is not there"
            yield Problem(where, what)


def number(content: bytes) -> int:
    """How many prompts a file holds in which nothing is wrong."""
    return sum(1 for line in io.BytesIO(content) if line.decode("utf-8").strip())


def wrong(content: bytes) -> Iterator[str]:
    """What is no prompt in a file of them, by its lines; the first few."""
    found = list(islice(_wrong(content), _MOST_TOLD + 1))
    yield from found[:_MOST_TOLD]
    if len(found) > _MOST_TOLD:
        yield "further lines are wrong as well"


def _wrong(content: bytes) -> Iterator[str]:
    empty = True
    for position, line in enumerate(io.BytesIO(content), start=1):
        try:
            text = line.rstrip().decode("utf-8")
            # Who opens a file of text takes it for the end of a line.
            if "\r" in text:
                raise ValueError("a carriage return within the line")
            empty = not list(lines.read((text,))) and empty
        except ValueError as error:
            empty = False
            yield f"line {position}: {_told(error)}"
    if empty:
        yield "holds no prompts"


def _told(error: ValueError) -> str:
    cause = error.__cause__ if isinstance(error, lines.PromptError) else error
    if isinstance(cause, UnicodeDecodeError):
        return f"byte {cause.start + 1} is no UTF-8"
    return f"{cause.msg} at column {cause.colno}" if isinstance(cause, json.JSONDecodeError) else str(cause)


def _read(path: Path, most: int) -> tuple[bytes, list[str]]:
    """A file's content, and what is wrong with it, each with its path."""
    try:
        content = bounded.read(path, most)
    except OSError as error:
        if error.errno == errno.EFBIG:
            return b"", [f"{path}: all prompts of a profile together may have {MOST_BYTES // 1024**2} MiB"]
        return b"", [f"{path} cannot be read: {error.strerror}"]
    return content, [f"{path}: {one}" for one in wrong(content)]
