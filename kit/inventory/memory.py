"""Main memory: how much, in which slots, and whether the channels carry the same."""

import re

from kit.model.evidence import UNSAID, Command, Evidence, File, Question, Unread, fact, field
from kit.model.inventory import Channel, Dimm, Memory

_DIMMS = "dmidecode -t memory"
_UNITS = {"bytes": 1, "kB": 2**10, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
# How makers name a slot's place: socket, channel, and the memory controller where channels are counted anew at each.
_PLACES = (
    # What is printed on the board goes before the bank: some firmware counts banks of this form wrongly.
    r"^P(?P<socket>\d+)-DIMM(?P<channel>[A-Z])\d+$",
    r"(?:CPU|PROC|P)[ _-]?(?P<socket>\d+)[ _-]?NODE[ _-]?(?P<controller>\d+)[ _-]?CHANNEL[ _-]?(?P<channel>[A-Z]|\d+)(?![A-Z])",
    r"SOCKET\s*(?P<socket>\d+)\s+CHANNEL\s*(?P<channel>[A-Z]|\d+)(?![A-Z])",
    r"(?:CPU|PROC|NODE|P)[ _-]?(?P<socket>\d+).*?CHANNEL[ _-]?(?P<channel>[A-Z]|\d+)(?![A-Z])",
    r"(?:CPU|PROC|P)[ _-]?(?P<socket>\d+)[ _-]*C(?:H)?[ _-]?(?P<channel>\w)(?:[ _/-]?D\w+)?$",
    r"(?:CPU|PROC|P)[ _-]?(?P<socket>\d+)[ _-]*(?:MC\w[ _-])?(?:DIMM[ _-]?)?(?P<channel>[A-Z])\d*$",
    r"^DIMM(?P<socket>\d)(?P<channel>\d)\d\b",
)
QUESTIONS: tuple[Question, ...] = (Command(("dmidecode", "-t", "memory")), File("/proc/meminfo"))


def kibibytes(text: str, name: str) -> int | None:
    """The bytes of a line of /proc/meminfo."""
    found = re.fullmatch(r"(\d{1,15}) kB", field(text, name) or "")
    return int(found[1]) * 1024 if found else None


def memory(evidence: Evidence) -> Memory:
    """The facts about memory."""
    return Memory(
        total_bytes=fact(evidence, "/proc/meminfo", lambda text: kibibytes(text, "MemTotal")),
        available_bytes=fact(evidence, "/proc/meminfo", lambda text: kibibytes(text, "MemAvailable")),
        dimms=fact(evidence, _DIMMS, dimms),
        channels=fact(evidence, _DIMMS, lambda text: channels(dimms(text))),
        channels_even=fact(evidence, _DIMMS, lambda text: _even(channels(dimms(text)))),
    )


def dimms(text: str) -> tuple[Dimm, ...]:
    """Every slot that dmidecode lists. Raises `Unread` where it lists none, or stops in the middle of one."""
    if re.search(r"Permission denied|Operation not permitted", text):
        raise Unread("dmidecode needs root")
    found = []
    for block in re.split(r"\n(?=Handle )", "\n" + text):
        if not re.search(r"^Memory Device\s*$", block, re.MULTILINE):
            continue
        size = field(block, "Size")
        if size is None and not re.search(r"^\s*Size: Unknown", block, re.MULTILINE):
            raise Unread(f"{_DIMMS} stops in the middle of a slot")
        found.append(
            Dimm(
                locator=field(block, "Locator") or "?",
                bank=field(block, "Bank Locator"),
                size_bytes=_size(size),
                type=_known(field(block, "Type")),
                rated_mts=_speed(field(block, "Speed")),
                # `Clock` until dmidecode 3.1
                configured_mts=_speed(field(block, "Configured Memory Speed", "Configured Clock Speed")),
                manufacturer=_known(field(block, "Manufacturer")),
                part_number=_known(field(block, "Part Number")),
            )
        )
    if not found:
        raise Unread(f"{_DIMMS} lists no slots (root may be needed)")
    return tuple(found)


def _size(text: str | None) -> int | None:
    if text is not None and re.match(r"No Module|Not Installed|Empty", text, re.IGNORECASE):
        return 0
    found = re.fullmatch(r"(\d{1,9}) (\w+)", text or "")
    return int(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None


def _speed(text: str | None) -> int | None:
    # Older versions call MT/s MHz.
    found = re.fullmatch(r"(\d{1,6}) (?:MT/s|MHz)", text or "")
    return int(found[1]) if found else None


def _known(text: str | None) -> str | None:
    if (
        text is None
        or text in UNSAID
        or re.fullmatch(r"NO DIMM|Not Specified|Undefined|None|Other|<OUT OF SPEC>", text, re.IGNORECASE)
    ):
        return None
    return text


def channels(slots: tuple[Dimm, ...]) -> tuple[Channel, ...]:
    """What is plugged into every channel, the empty ones included. Raises `Unread` where slots do not name their channels."""
    places = [_place(slot) for slot in slots]
    controllers = {socket: {c for s, c, _ in places if s == socket} for socket, _, _ in places}
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for slot, (socket, controller, number) in zip(slots, places, strict=True):
        if slot.size_bytes is None:
            raise Unread(f"the size of {slot.locator} is not known")
        channel = f"{controller}.{number}" if len(controllers[socket]) > 1 else number
        modules, size = found.get((socket, channel), (0, 0))
        found[socket, channel] = (modules + (slot.size_bytes > 0), size + slot.size_bytes)
    return tuple(
        Channel(socket=socket, channel=channel, modules=modules, size_bytes=size)
        for (socket, channel), (modules, size) in sorted(found.items(), key=lambda entry: _natural(*entry[0]))
    )


def _place(slot: Dimm) -> tuple[str, str, str]:
    """Socket, memory controller (empty where there is but one count of channels), channel."""
    for pattern in _PLACES:
        for text in (slot.bank, slot.locator):
            if found := re.search(pattern, text or "", re.IGNORECASE):
                return found["socket"], found.groupdict().get("controller") or "", found["channel"]
    raise Unread(f"the slot {slot.locator} does not name its socket and channel")


def _natural(socket: str, channel: str) -> tuple[int, int, str]:
    return int(socket), int(channel) if channel.isdigit() else 0, channel


def _even(found: tuple[Channel, ...]) -> bool:
    return len({(channel.modules, channel.size_bytes) for channel in found}) == 1
