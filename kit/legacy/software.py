"""What a row of a report's software table says: a program, its version, and how it was used."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kit.texts import CATALOGUE

_PROGRAM = re.compile(r"(?P<title>.+?)\s+[vV]?(?P<version>[0-9][\w.+-]{0,40})")
_PRECISE = tuple(text.removeprefix("{tool}").strip() for text in CATALOGUE["tool-precise"])


@dataclass(frozen=True, slots=True)
class Program:
    """`precise`: kit's own reports say so of a load generator whose requests went through kit's transport."""

    title: str
    version: str | None
    precise: bool


def program(text: str) -> Program:
    """The program that a cell names."""
    bare = text.strip()
    precise = next((note for note in _PRECISE if bare.endswith(note)), None)
    bare = bare.removesuffix(precise or "").strip()
    read = _PROGRAM.fullmatch(bare)
    return Program(read["title"] if read else bare, read["version"] if read else None, precise is not None)


def find(rows: Iterable[tuple[str, str]], names: Mapping[str, str]) -> tuple[str, Program] | None:
    """The first row that names one of the programs, given as name and title; under its name."""
    for _, value in rows:
        found = program(value)
        for name, title in names.items():
            if found.title.lower() in (title.lower(), name):
                return name, found
    return None
