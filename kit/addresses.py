"""The address of a database, as SQLAlchemy writes it: understood in one way only, and told without its password."""

import re

from kit.errors import UsageError

_PLAIN = re.compile(
    r"\w[\w+]*://"
    r"(?:[^@/?:]*(?::[^@/?]*)?@)?"  # user and password
    r"(?:\[[^]@/?]*\]|[^@/?:]*)(?::[0-9]+)?"
    r"(?:/[^@?]*)?(?:\?.*)?"
)
_FILES = "sqlite"
_EXAMPLES = "such as sqlite:///runs.db or postgresql+psycopg://host/db"


def shown(address: str) -> str:
    """The address without whoever it logs in as."""
    login, at, place = address.rpartition("@")
    return f"{login[: login.find('://') + 3] if '://' in login else ''}***@{place}" if at else address


def plain(address: str) -> str:
    """The address, where it cannot be read in two ways: a part of a password would be told as a host. Raises `UsageError`."""
    if address.startswith(_FILES) or _PLAIN.fullmatch(address):
        return address
    if "://" not in address:
        raise no_index(address)
    hint = "a port is a number; in a password write %40 for @, %2F for / and %3F for ?"
    raise UsageError("the address of the index cannot be told apart into user, password, host and port", hint=hint)


def no_index(address: str) -> UsageError:
    """What is told of an address that names none."""
    return UsageError(f"{shown(address)!r} is no index", hint=_EXAMPLES)
