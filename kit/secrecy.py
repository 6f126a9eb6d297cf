"""What a profile must not hold: secrets, in any of its fields; and what an error may tell of a value."""

import re
from collections.abc import Iterator, Sequence

from kit.documents import Place
from kit.errors import Problem
from kit.looks import holds_secret, names_secret, says_none, tells_secret
from kit.model import Profile
from kit.redaction import SHORTEST

WHAT = "looks like a secret"
HINT = "secrets never stand in a profile: use server.api_key {env: NAME}, or a file that the server reads"
_SCHEMES = frozenset(
    {"basic", "bearer", "digest", "disabled", "enabled", "jwt", "ldap", "no", "oauth2", "off", "oidc", "on"}
)
"""What `--auth` may be given that is no secret."""
_HARMLESS = re.compile(r"[/.~]|[a-z_-]+$|[^\s]*\s")
_WITH_WORDS = ("args", "env")
"""Fields of a server in which a name says what the value beside it is."""


def check(profile: Profile) -> Iterator[Problem]:
    """Every place of a profile that holds what looks like a secret, by its name or by itself."""
    for name, value in profile.server.env:
        if (names_secret(name, variable=True) and not says_none(value)) or holds_secret(value):
            yield Problem(f"server.env.{name}", WHAT, HINT)
    for position, group in enumerate(profile.server.args):
        if _names_secret(group) or any(map(holds_secret, group)):
            yield Problem(f"server.args.{position}", WHAT, HINT)
    # A user in it is refused with all else that is no URL of an endpoint.
    if profile.server.url is not None and "@" not in profile.server.url and holds_secret(profile.server.url):
        yield Problem("server.url", WHAT, HINT)
    rest = profile.model_dump(mode="json", by_alias=True)
    for name in (*_WITH_WORDS, "url"):
        del rest["server"][name]
    for place, text in _texts(rest, ()):
        if tells_secret(text):
            yield Problem(".".join(map(str, place)), WHAT, HINT)


def shown(place: Place, value: object) -> str | None:
    """A wrong value as an error tells it, and only what kind it is where it may be a secret; None where it is no single value."""
    if not isinstance(value, str | int | float | None):
        return None
    if isinstance(value, str):
        return _kind(value) if _may_be_secret(place, value) else repr(value)
    return "a number that is not shown" if _is_named(place) and value is not None else repr(value)


def without(message: str, place: Place, value: object) -> str:
    """What is said of a wrong value, which it quotes as a whole or in parts, without those that may be a secret."""
    for below, text in _texts(value, place):
        if _may_be_secret(below, text):
            message = message.replace(repr(text), _kind(text))
    return message


def _kind(text: str) -> str:
    return f"a text of {len(text)} characters"


def _is_named(place: Place) -> bool:
    return any(names_secret(str(part), variable=True) for part in place)


def _may_be_secret(place: Place, text: str) -> bool:
    if place[:1] not in (("server",), ("load",)):
        return _is_named(place) or holds_secret(text)
    # Beside what names a secret any text may be one; elsewhere kit takes none for a key that is shorter, a path or a plain word.
    if _is_named(place) or place[1:2] in [(name,) for name in _WITH_WORDS]:
        return True
    return holds_secret(text) or (len(text) >= SHORTEST and _HARMLESS.match(text) is None)


def _names_secret(group: Sequence[str]) -> bool:
    """Whether a flag in a group of arguments names a secret, wherever its value stands; or a plain word that another follows."""
    for position, word in enumerate(group):
        name, separator, value = word.partition("=")
        follows = group[position + 1] if position + 1 < len(group) else None
        is_flag = word.startswith("-")
        if not (is_flag or separator or follows is not None) or not names_secret(
            name, variable=not is_flag and name.isupper() and bool(separator)
        ):
            continue
        given = value if separator else follows
        if not (name.lower().endswith("auth") and given is not None and (says_none(given) or given in _SCHEMES)):
            return True
    return False


def _texts(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    """Every text at or below a place, names too."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, below in value.items():
            yield place[:-1], str(name)
            yield from _texts(below, (*place, str(name)))
    elif isinstance(value, list | tuple):
        for position, below in enumerate(value):
            yield from _texts(below, (*place, position))
