"""Striking out what names one machine among its equals: serial numbers, MAC and IP addresses, passwords."""

import re

from kit.model.evidence import Evidence, Raw

MASK = "***"
_NAMED = re.compile(
    r"(?im)((?:^|[{,])[ \t]*\"?[^\n:=\",{]*(?:serial ?(?:number|no\.?)?|unique id|uuid|asset tag|[vn]die id|chassis id)\"?[ \t]*[:=][ \t]*\"?)"
    r"(?!NA\b|N/A|Not |None|Unknown|NO DIMM|To be filled)[^\s\",][^\n\",]*"
)
_MAC = re.compile(
    r"(?i)(?<![\w:.-])(?:[0-9a-f]{2}[:-]){5}(?:(?:[0-9a-f]{2}[:-]){2}|(?:[0-9a-f]{2}[:-]){14})?[0-9a-f]{2}(?![\w:-])"
)
_UUID = re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
_GPU = re.compile(r"(?i)\b(?:GPU|MIG)-[0-9a-f]{16}\b")
_IPV4 = re.compile(
    r"(?<![\w.\-])(?!127\.0\.0\.1\b|0\.0\.0\.0\b)(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w\-]|\.\w)"
)
_IPV6 = re.compile(
    r"(?i)(?<![\w:.])(?=[0-9a-f:]*[0-9a-f])(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}|(?:[0-9a-f]{1,4}:){1,7}(?::[0-9a-f]{1,4}){1,6}|(?:[0-9a-f]{1,4}:){2,7}:)(?![\w:])"
)
_SECRET = re.compile(r"(?i)\b([\w.-]*(?:passw(?:or)?d|secret|token|api_?key)[\w.-]*=)\S+")
_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")
# Files of versions, which may have four numbers and not the word.
_VERSIONS = re.compile(r"version\.(?:info|cfg)$|install\.info$")
_SERIAL_FILES = re.compile(r"/(?:product_serial|board_serial|chassis_serial|product_uuid|address)$")


def text(said: str) -> str:
    """A text without serial numbers and addresses. Versions of four numbers look like addresses and stay."""
    return _addresses(_NAMED.sub(rf"\g<1>{MASK}", said))


def _addresses(said: str) -> str:
    for pattern in (_MAC, _UUID, _GPU, _IPV6):
        said = pattern.sub(MASK, said)
    said = _SECRET.sub(rf"\g<1>{MASK}", _PASSWORD.sub(f"{MASK}@", said))
    return "".join(
        line if re.search(r"(?i)version|revision|release|firmware|bios|^PRETTY_NAME=", line) else _IPV4.sub(MASK, line)
        for line in said.splitlines(keepends=True)
    )


def evidence(found: Evidence) -> Evidence:
    """All answers masked; the facts are read from these, so that they hold nothing else."""
    masked = Evidence()
    for key, raw in found.items():
        if raw.text is not None and _SERIAL_FILES.search(key):
            masked[key] = Raw(f"{MASK}\n") if raw.text.strip() else raw
        elif _VERSIONS.search(key):
            masked[key] = raw
        else:
            masked[key] = Raw(
                None if raw.text is None else text(raw.text), None if raw.reason is None else _addresses(raw.reason)
            )
    return masked
