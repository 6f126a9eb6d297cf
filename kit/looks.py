"""What a secret looks like: the names under which one stands, and values that are one whatever they are called."""

import re

STRUCK = "***"
REACH = 4096
"""A secret that is known by its looks is not longer, with what stands before it."""
_WORDS = (
    r"(?:(?:api|access|private|secret|auth|admin|account|master|signing|encryption|hmac|license)[-_]?keys?"
    r"|(?:auth|access|bearer|api|hf|hub|git\w{0,8}|refresh|session|user|secret)[-_]?token"
    r"|passw(?:or)?ds?|passphrases?|secrets?|credentials?)"
)
_NUMBER = r"\d{0,9}"
"""Of one secret among several."""
_PASS = r"(?:admin|db|ftp|ldap|mongo|my|mysql|pg|redis|root|smtp|ssh|sudo)pass"
_NAMED = re.compile(rf"(?i)(?:^|[-_.]){_WORDS}{_NUMBER}(?P<more>(?:[-_.][-_.\w]*)?)$")
_ALONE = re.compile(
    rf"(?i)^(?:token|pwd|pass|jwt|\w+password|{_PASS}|(?:(?:basic|http|proxy|redis|registry)[-_])?auth){_NUMBER}$"
)
_VARIABLE = re.compile(rf"(?i)(?:^|_)(?:token|key|pwd|pass|auth|jwt|{_PASS})(?:_?{_NUMBER})$")
"""Of variables, whose names say less; flags such as `--pad-token` name no secret."""
_ABOUT = re.compile(
    r"alg|algorithm|cmd|command|dir|endpoint|enabled|env|expiry|fields?|files?|folder|format|header|ids?|kind|length|limit|location"
    r"|manager|max|min|mode|names?|paths?|policy|prefix|provider|required|rotation|size|source|stdin|store|timeout|ttl|type|ur[il]"
    r"|var|variable"
)
"""How a name ends that says where a secret is, or something else about it."""
_LONGEST_NAME = 200
_NONE = r"(?i:\d{0,7}|true|false|none|null|empty|dummy)"
"""A value that says that there is no secret."""
_KEYS = (
    # What the keys of well-known services look like, JSON web tokens, and addresses where whoever knows them may write.
    r"\b(?:sk-[\w-]{20,}|hf_\w{30,}|gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{30,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|eyJ[\w-]{8,2000}\.eyJ[\w-]{8,2000}\.[\w-]+"
    r"|(?:hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/)"
    r"[\w/@-]{8,})"
)
_AFTER = (
    # What stands before a secret: a name, be it a field, a header, a parameter of a URL or a flag.
    rf"(?i:{_WORDS}{_NUMBER}[\"']?\s{{0,9}}[:=]\s{{0,9}}[\[\"']{{0,3}}"
    r"|[\"']token[\"']\s{0,9}:\s{0,9}[\"']|[?&](?:token|key|auth|jwt|pass|pwd|sig|(?:x-(?:amz|goog)-)?signature)="
    rf"|(?<!\S)--(?:(?:[\w-]{{0,40}}-)?{_WORDS}|token){_NUMBER}(?:=|\s{{1,9}})"
    r"|\b(?:proxy-)?authorization[\"']?\s{0,9}[:=]\s{0,9}[\[\"']{0,3}(?:(?:bearer|basic|token)\s{1,9})?"
    r"|\b(?:bearer|basic)\s{1,9}(?=[^\s\d]{0,200}\d))"
    rf"(?!{_NONE}(?:[\s\"',;&\])}}]|$))"
)
_COOKIE = r"\b(?i:(?:set-)?cookie)[\"']?\s{0,9}[:=]\s{0,9}[\[\"']{0,3}"
_VALUE = r"[^\s\"',;&\])}]"
_USER = r"://[^/\s@]+@"
_PEM = r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
_TOLD = re.compile(rf"{_USER}|{_KEYS}|{_PEM}")
_HELD = re.compile(rf"{_USER}|{_AFTER}{_VALUE}|{_COOKIE}{_VALUE}|{_KEYS}|{_PEM}")
WRITTEN = re.compile(
    rf"(?<=://)[^/\s:@]*:[^/\s]+(?=@)|({_AFTER}){_VALUE}+|({_COOKIE})[^\"'\n]{{1,{REACH // 2}}}|{_KEYS}".encode()
)
"""In the output of programs: a secret, with what stands before it as a group where something does."""
_HINTS = tuple(
    b"key passw passphrase secret credential -token _token token= token' token\" authoriz bearer basic :// sk- hf_ ghp_ gho_ ghu_ ghs_"
    b" ghr_ github_pat glpat xox aiza akia asia eyj cookie hook auth= jwt= pass= pwd= sig= signature= open-apis".split()
)
"""What is in every line of which a part is struck: to look for these first is quick, and most lines have none."""


def names_secret(name: str, *, variable: bool = False) -> bool:
    """Whether a flag, or a variable, of that name holds a secret."""
    name = name.lstrip("-")
    if len(name) > _LONGEST_NAME:
        return False
    if found := _NAMED.search(name):
        return _ABOUT.fullmatch(re.split("[-_.]", found["more"].lower())[-1]) is None
    return _ALONE.search(name) is not None or (variable and _VARIABLE.search(name) is not None)


def says_none(value: str) -> bool:
    """Whether a value says that there is no secret, whatever its name."""
    return re.fullmatch(_NONE, value) is not None


def holds_secret(value: str) -> bool:
    """Whether a value holds what looks like a secret, whatever it is called."""
    return _HELD.search(value) is not None


def tells_secret(text: str) -> bool:
    """Whether a text for people holds a secret: as `holds_secret`, but words such as `basic` mean nothing there."""
    return _TOLD.search(text) is not None


def struck(line: bytes) -> bytes:
    """A line without what is a secret by its looks."""
    low = line.lower()
    if not any(hint in low for hint in _HINTS):
        return line
    return WRITTEN.sub(lambda found: (found[1] or found[2] or b"") + STRUCK.encode(), line)
