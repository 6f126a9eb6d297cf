"""The kind of table that nvidia-smi made common, as ixsmi, mx-smi and their like draw it too: devices, and who holds them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kit.accelerators.tables import BUS_ID, cells, is_rule, lines
from kit.model.evidence import UNSAID


@dataclass(frozen=True, slots=True)
class Card:
    """One device in the kind of table that nvidia-smi made common; texts as printed, None where there is none."""

    index: int
    name: str | None
    bus_id: str
    temperature: str | None
    power: str | None
    power_limit: str | None
    used: str | None
    total: str | None
    utilisation: str | None
    state: str | None


def cards(text: str) -> tuple[Card, ...]:
    """The devices of a table as nvidia-smi, ixsmi, mx-smi and ht-smi draw it."""
    found: dict[int, Card] = {}
    header: list[list[str]] = []
    group: list[list[str]] = []
    for line in [*lines(text), "+---"]:
        row = cells(line)
        if row is not None and len(row) > 1:
            group.append(row)
            continue
        if (
            group
            and any(re.search(r"\bName\b", cell, re.IGNORECASE) for cell in group[0])
            and re.search("Bus-Id", " ".join(group[0]), re.I)
        ):
            header = group
        elif group and header and (card := _card(header, group)) is not None:
            found.setdefault(card.index, card)
        group = []
    return tuple(found.values())


def _card(header: Sequence[Sequence[str]], group: Sequence[Sequence[str]]) -> Card | None:
    at = next(place for place, cell in enumerate(header[0]) if re.search(r"\bName\b", cell, re.IGNORECASE))
    begin = re.fullmatch(r"([0-9]{1,5})\s+(\S.*)", group[0][at]) if at < len(group[0]) else None
    bus = next((found[0] for cell in group[0] if (found := BUS_ID.search(cell))), None)
    if begin is None or bus is None or [len(row) for row in group] != [len(row) for row in header[: len(group)]]:
        return None
    name = begin[2].strip()
    if re.search(r"\bName\s+\S", header[0][at], re.IGNORECASE):
        # The last word belongs to the title behind: `Persistence-M`, or `Driver-Model` elsewhere.
        name = name.rpartition(" ")[0].strip()
    rest = re.sub(r"[ \t]+", " ", "\n".join(" | ".join(row) for row in group[1:]))
    memory = re.search(r"(\d+)\s*(?:MiB)?\s*/\s*(\d+)\s*MiB", rest)
    # `77W / 700W`, `97W / NA`, `71W`; what stands behind a slash alone is a limit.
    power = re.search(r"(?<!/ )(?<!/)\b(\d+(?:\.\d+)?) ?W\b(?: ?/ ?(\d+(?:\.\d+)?) ?W\b)?", rest)
    temperature = re.search(r"(?<![\w.])(-?\d+)\s*C\b", rest)
    index = int(begin[1])
    # Two numbers: the board's beside its name, and the GPU's that programs use in a cell of its own.
    for title, cell in zip(header[0], group[0], strict=True):
        if re.match(r"GPU\b(?!-)", title) and not re.search(r"\bName\b", title, re.I) and cell.split()[:1]:
            index = int(cell.split()[0]) if cell.split()[0].isdigit() else index
    return Card(
        index=index,
        name=None if name.endswith("...") or not name or name in UNSAID else name,
        bus_id=bus,
        temperature=temperature[1] if temperature else None,
        power=power[1] if power else None,
        power_limit=power[2] if power else None,
        used=memory[1] if memory else None,
        total=memory[2] if memory else None,
        utilisation=_below(header, group, r"GPU-Util", r"(\d+)\s*%"),
        state=_below(header, group, r"GPU-State", r"(\S+)"),
    )


def _below(header: Sequence[Sequence[str]], group: Sequence[Sequence[str]], title: str, value: str) -> str | None:
    """What stands in the cell that the header gives to `title`."""
    for names, row in zip(header, group, strict=False):
        for name, cell in zip(names, row, strict=True):
            if re.search(title, name) and (found := re.match(value, cell)):
                return found[1]
    return None


@dataclass(frozen=True, slots=True)
class Use:
    """A line of a process table."""

    index: int
    pid: int
    name: str | None
    memory: str | None


def uses(text: str) -> tuple[Use, ...] | None:
    """The processes below the devices; None where the text has no whole table of them."""
    found: list[Use] = []
    titles: str | None = None
    rules = 0
    for line in lines(text):
        row = cells(line)
        if row is not None and len(row) == 1 and re.match(r"GPU\b.*\bPID\b", row[0]):
            titles, rules, found = row[0], 0, []
        elif titles is not None and is_rule(line):
            rules += 1
        elif titles is not None and row is not None and len(row) == 1 and rules == 1:
            lead = r"(\d{1,5})\s+\S+\s+\S+" if re.search(r"\bGI\b", titles) else r"(\d{1,5})"
            kind = r"\s+(?:[CGM+]+)" if re.search(r"\bType\b", titles) else ""
            use = re.fullmatch(rf"{lead}\s+(\d{{1,10}}){kind}(?:\s+(\S.*?))??(?:\s+(\d+)\s*(?:MiB)?|\s+N/A)?", row[0])
            if use:
                found.append(Use(int(use[1]), int(use[2]), use[3], use[4]))
    return tuple(found) if titles is not None and rules >= 2 else None
