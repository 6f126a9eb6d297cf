"""comparison.xlsx: the figures of a comparison as numbers, one line for each."""

from collections.abc import Iterator

from kit.model.comparison import CaseFigures, Comparison, Ratio
from kit.renderers.book import Book, Value
from kit.renderers.comparison import sections
from kit.renderers.comparison.docx import when
from kit.renderers.word import clean
from kit.texts import say

_CASE = ("input_tokens", "output_tokens", "concurrency")
_RATIO = (
    "baseline_value",
    "value",
    "ratio",
    "low_95",
    "high_95",
    "interval_from",
    "probability_corrected",
    "difference",
)
_FIGURES = (
    *("rounds", "output_throughput", "latency", "ttft", "tpot", "prefill_speed", "tps", "per_accelerator", "per_joule"),
    *("per_cost", "scaling", "scaling_of"),
)


def written(found: Comparison) -> bytes:
    book = Book()
    lines = [(line,) for line in (sections.warning(found), *found.words) if line]
    book.sheet("verdict", (say(found.language, "compare-verdict"),), lines, widths=(140,))
    sides = ("side", "name", "kind", "hardware", "engine", "accelerators", "cost_per_hour", "rounds")
    rows = [
        (e.letter, e.name, e.kind, e.hardware, e.engine, e.accelerators, e.hourly, e.rounds) for e in found.contenders
    ]
    book.sheet("sides", sides, rows, widths=(8, 40, 10, 40, 24, 14, 14, 10))
    book.sheet("ratios", ("side", "baseline", *_CASE, "metric", *_RATIO), _ratios(found), number_format="0.0000")
    book.sheet("figures", ("side", *_CASE, *_FIGURES), _figures(found), number_format="0.0000")
    names = tuple(entry.letter for entry in found.contenders)
    book.sheet(
        "differences",
        ("group", "item", *names),
        ((entry.group, entry.name, *entry.values) for entry in found.differences),
        widths=(12, 32, *(36,) * len(names)),
    )
    title = clean(f"{say(found.language, 'compare-report')}: {sections.title(found)}")[:200]
    return book.stored(title, f"kit {found.kit_version}", when(found))


def _ratios(found: Comparison) -> Iterator[tuple[Value, ...]]:
    for entry in found.others:
        for ratio in entry.overall:
            yield (entry.letter, found.baseline.letter, None, None, None, ratio.metric, *_ratio(ratio))
        for case in entry.against:
            key = case.key
            for ratio in case.ratios:
                yield (entry.letter, found.baseline.letter, *key, ratio.metric, *_ratio(ratio))


def _ratio(found: Ratio) -> tuple[Value, ...]:
    between = (found.low, found.high, found.method)
    return (found.baseline, found.value, found.ratio, *between, found.probability, found.difference)


def _figures(found: Comparison) -> Iterator[tuple[Value, ...]]:
    for entry in found.contenders:
        for case in entry.cases:
            yield (entry.letter, *case.key, *_values(case))


def _values(case: CaseFigures) -> Iterator[Value]:
    for name in _FIGURES:
        yield getattr(case, name)
