"""Titles and cells of tables as people write them: either language, full-width digits, thousands separators, units.

What is not certain is refused with a reason, never guessed: a time needs a unit, in its title or beside the number.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

TIMES = ("latency", "ttft", "tpot")

_UNITS = {"s": 0, "sec": 0, "秒": 0, "ms": 3, "毫秒": 3}
"""Units of times, and how many decimal places they lie below the second."""
_RATES = ("tok/s", "tokens/s", "token/s", "t/s")
_UNIT = re.compile(r"\s*[(\[]\s*(?P<unit>[^()\[\]]{1,20}?)\s*[)\]]\s*")
_MEAN = r"((avg\.?|average|mean|平均) ?)?"

# A title names the first column of which the pattern fits; means over all rounds are no figures of a row.
_TITLES: tuple[tuple[str, str], ...] = (
    ("", r"所有轮次.*"),
    ("input", r"(input|prompt)( ?(length|len|tokens?))?|输入( ?(长度|token ?数?))?"),
    ("output", r"output( ?(length|len|tokens?))?|输出( ?(长度|token ?数?))?"),
    ("loop", r"loop|轮次"),
    ("concurrency", r"concurrency|parallel|并发(数|度|量)?"),
    ("requests", r"requests|number|请求数量?"),
    ("failed", r"failed requests|失败请求数"),
    ("status", r"status"),
    ("draft", r"draft"),
    ("latency", rf"avg_latency_m?s|{_MEAN}((e2e|end[- ]to[- ]end) )?latency|(平均)?端到端(时延|延迟)( avg latency)?"),
    (
        "output_throughput",
        r"output_throughput_tok_s|output ?(token ?)?throughput|系统吞吐量?( output ?token ?throughput)?",
    ),
    ("ttft", rf"avg_ttft_m?s|{_MEAN}(ttft|time to first token)|{_MEAN}首 ?token ?(时延|延迟)( avg ttft)?"),
    ("tpot", rf"avg_tpot_m?s|{_MEAN}(tpot|time per output token)|{_MEAN}每 ?token ?(时延|延迟)( avg tpot)?"),
    ("tps", rf"avg_tps|(单轮次 ?)?{_MEAN}tps|.{{0,60}}avg ?tps"),
    (
        "per_stream_throughput",
        rf"per_stream_tok_s|(单轮次 ?)?{_MEAN}(单路吞吐量?|throughput per stream|per[- ]stream throughput)",
    ),
)
_NUMBER = r"[-+]?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})"
_FIGURE = re.compile(
    rf"(?P<number>{_NUMBER}(?P<fraction>\.[0-9]{{1,20}})?(?P<power>[eE][-+]?[0-9]{{1,2}})?)\s*(?P<unit>\D*)"
)
_COUNT = re.compile(r"(?P<number>[0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,2})(?:\.0)?")
_LENGTH = re.compile(r"(?P<number>[0-9.]{1,20}[kK]?|[0-9]{1,3}(?:,[0-9]{3}){1,2})\s*(?:tokens?)?")


@dataclass(frozen=True, slots=True)
class Column:
    """What a column holds; an empty name for what is known and not used. `unit` is what its title says, if it does."""

    name: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in seconds or tokens per second, and how many decimal places it was written with, final zeros left out."""

    value: float
    places: int


def plain(text: str) -> str:
    """Text with full-width characters as their plain ones, and single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def column(title: str) -> Column | None:
    """What a column holds, by its title; None for a title that is not known."""
    written = plain(title.replace("*", " ")).lower()
    units = {found["unit"] for found in _UNIT.finditer(written)}
    bare = " ".join(_UNIT.sub(" ", written).split())
    name = next((name for name, pattern in _TITLES if re.fullmatch(pattern, bare)), None)
    if name is None or len(units) > 1:
        return None
    unit = next(iter(units), None)
    if name in TIMES:
        if unit is None and (named := re.fullmatch(r"\w+_(m?s)", bare)):
            unit = named[1]
        return Column(name, unit) if unit is None or unit in _UNITS else None
    # A rate has one unit only, and what else stands in brackets would make it another thing.
    known = (*_RATES, "tokens", "token", "tok") if name in ("input", "output") else _RATES
    return Column(name, unit) if unit is None or name == "" or unit in known else None


def figure(text: str, of: Column) -> Figure:
    """The number in a cell. Raises `ValueError` where it is none, or of another unit."""
    written = plain(text)
    found = _FIGURE.fullmatch(written)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a number")
    unit, below = found["unit"].strip().lower() or of.unit, 0
    if of.name in TIMES:
        if unit is None:
            raise ValueError(f"{text[:40]!r} has no unit, and neither has its title: s or ms")
        if unit not in _UNITS:
            raise ValueError(f"{text[:40]!r} is not in seconds or milliseconds")
        below = _UNITS[unit]
    elif unit not in (None, *_RATES):
        raise ValueError(f"{text[:40]!r} is not in tokens per second")
    # Exact until the very end: 60 ms are 0.06 s, not 0.06000000000000001.
    number = Decimal(found["number"].replace(",", "")).scaleb(-below)
    exponent = number.normalize().as_tuple().exponent
    return Figure(float(number), -exponent if isinstance(exponent, int) and number else below)


def count(text: str, *, least: int) -> int:
    """A whole number. Raises `ValueError` where the cell holds none."""
    found = _COUNT.fullmatch(plain(text))
    if found is None or (number := int(found["number"].replace(",", ""))) < least:
        raise ValueError(f"{text[:40]!r} is not a whole number of at least {least}")
    return number


def length(text: str) -> str:
    """A number of tokens as a profile writes it: `2k`, `1024`; what is none stays as it is."""
    found = _LENGTH.fullmatch(plain(text))
    return found["number"].replace(",", "") if found else text
