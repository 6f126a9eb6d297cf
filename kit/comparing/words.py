"""The verdict on a comparison in words: nothing but what its figures say."""

from collections import Counter
from collections.abc import Iterator

from kit.model.comparison import Comparison, Contender, Ratio
from kit.model.profile import Language
from kit.texts import say


def verdict(found: Comparison) -> tuple[str, ...]:
    """Which sides are rehearsals, a few lines for each side, and which side gets most out of an accelerator."""
    lang = found.language
    played = [entry.letter for entry in found.contenders if entry.rehearsal]
    lines = [say(lang, "compare-rehearsal", letters=say(lang, "and").join(played))] if played else []
    lines += [line for entry in found.others for line in _side(entry, found.baseline, lang)]
    known = [(case.per_accelerator, entry, case) for entry in found.contenders for case in entry.cases]
    best = max(((v, e, c) for v, e, c in known if v is not None), key=lambda entry: entry[0], default=None)
    if best is not None and all(entry.accelerators for entry in found.contenders):
        value, entry, case = best
        lines.append(say(lang, "compare-best", letter=entry.letter, case=case.id, value=f"{value:.4g}"))
    return tuple(lines)


def _side(entry: Contender, baseline: Contender, lang: Language) -> Iterator[str]:
    overall = {ratio.metric: ratio for ratio in entry.overall}
    throughput = overall.get("output_throughput")
    if throughput is not None and throughput.ratio is not None:
        yield say(
            lang,
            "compare-line",
            letter=entry.letter,
            name=entry.name,
            base=baseline.letter,
            metric=say(lang, "metric-output_throughput"),
            cases=sum(case.ratios[0].ratio is not None for case in entry.against),
            **_said(throughput, lang),
        )
    yield from _others(entry, overall, lang)
    yield from _counts(entry, lang)
    if entry.efficiency:
        gained = (
            say(lang, "compare-per-ratio", what=say(lang, f"compare-{name}"), ratio=f"{value:.3f}")
            for name, value in entry.efficiency
        )
        yield say(lang, "compare-per", letter=entry.letter, what=say(lang, "comma").join(gained))
    if entry.missing:
        yield say(
            lang, "compare-missing", letter=entry.letter, cases=say(lang, "list").join(dict.fromkeys(entry.missing))
        )


def _others(entry: Contender, overall: dict[str, Ratio], lang: Language) -> Iterator[str]:
    """The other metrics in one line; those of which the same is said stand together."""
    alike: dict[str, list[str]] = {}
    for metric, key in (("latency", "metric-latency"), ("ttft", "compare-prefill"), ("tpot", "compare-decode")):
        ratio = overall.get(metric)
        if ratio is not None and ratio.ratio is not None:
            said = _said(ratio, lang)
            alike.setdefault(said["says"], []).append(
                say(lang, "compare-metric", metric=say(lang, key), ratio=said["ratio"], interval=said["interval"])
            )
    if alike:
        groups = (
            say(lang, "compare-alike", figures=say(lang, "comma").join(figures), says=says)
            for says, figures in alike.items()
        )
        yield say(lang, "compare-line-next", letter=entry.letter, groups=say(lang, "and").join(groups))


def _said(ratio: Ratio, lang: Language) -> dict[str, str]:
    between = (
        say(lang, "compare-interval", low=f"{ratio.low:.3f}", high=f"{ratio.high:.3f}")
        if ratio.low is not None and ratio.high is not None
        else ""
    )
    return {"ratio": f"{ratio.ratio:.3f}", "interval": between, "says": say(lang, f"compare-says-{ratio.difference}")}


def _counts(entry: Contender, lang: Language) -> Iterator[str]:
    found = [(case, ratio) for case in entry.against for ratio in case.ratios if ratio.metric == "output_throughput"]
    known = [(max(ratio.ratio, 1 / ratio.ratio), case, ratio) for case, ratio in found if ratio.ratio is not None]
    if not known:
        return
    counted = Counter(ratio.difference for _, ratio in found)
    _, case, most = max(known, key=lambda entry: entry[0])
    yield say(
        lang,
        "compare-counts",
        letter=entry.letter,
        better=counted["better"],
        worse=counted["worse"],
        noise=counted["noise"] + counted["instrument"],
        unknown=counted["unknown"],
        case=case.id,
        ratio=f"{most.ratio:.3f}",
    )
