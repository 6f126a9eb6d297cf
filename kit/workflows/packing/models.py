"""What a bundle holds of models: the tokenizer, and the names of the weights."""

import os
from collections.abc import Iterator
from pathlib import Path

from kit import weights
from kit.errors import KitError, UsageError
from kit.model import Profile
from kit.model.bundle import WeightFile, Weights
from kit.workflows.packing.gathered import Gathered


def tokenizer(found: Gathered, profile: Profile) -> None:
    """The files of the tokenizer's directory, weights apart; none where kit makes the model itself."""
    written = profile.load.tokenizer
    if "{model}" in written or not found.wants("tokenizer"):
        return
    home = Path(os.path.abspath(os.path.expanduser(written)))
    if not home.is_dir():
        found.notes.append(f"the tokenizer {home} is not on this machine: it must be on the new one")
        return
    for path in sorted(home.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.suffix not in weights.SUFFIXES:
            found.add("tokenizer", path.name, path.resolve())


def named(found: Gathered, profile: Profile) -> Iterator[Weights]:
    """Every model that the server's arguments name by its path: its files by size, and by digest where these are known."""
    words = dict.fromkeys(word for group in profile.server.args for word in group if word.startswith("/"))
    for word in words:
        path = Path(word)
        if not path.exists():
            found.notes.append(f"{word} is not on this machine: its files are not named in the bundle")
            continue
        try:
            listed = dict(weights.listed(path)) if (path / weights.LIST).is_file() else {}
        except KitError as error:
            raise UsageError(f"{word} cannot be named: {error.message}", hint=error.hint) from error
        files = weights.files(path)
        if unknown := [name for name, _ in files if name not in listed]:
            hint = f"kit model digest {path} > {path / weights.LIST}"
            found.notes.append(f"{len(unknown)} files of {word} are named by their size alone ({hint})")
        yield Weights(
            path=word, files=tuple(WeightFile(name=name, size=size, sha256=listed.get(name)) for name, size in files)
        )
