"""What searches found, in words."""

from collections.abc import Iterator, Sequence

from kit.model.profile import Language
from kit.report.verdicts import metric, plain
from kit.searches import Broken, Outcome
from kit.texts import say


def lines(outcomes: Sequence[Outcome], language: Language) -> Iterator[str]:
    """One sentence for each search: what was found, and what the next concurrency did not keep."""
    for found in outcomes:
        lengths = f"{found.search.input}-{found.search.output}"
        limits = say(language, "and").join(_limit(limit.parts(), language) for limit in found.search.limits)
        why = _why(found.broken, language) if found.broken is not None else ""
        next_ = found.broken.concurrency if found.broken is not None else 0
        key = "found-open" if not found.over else "found-none" if not found.highest else "found" if why else "found-all"
        yield say(
            language, key, lengths=lengths, limits=limits, highest=found.highest, next=next_, why=why, tried=found.tried
        )


def _limit(parts: tuple[str, str, float], language: Language) -> str:
    name, relation, bound = parts
    return f"{metric(name, language)} {'≤' if relation == '<=' else '≥'} {plain(name, bound)}"


def _why(broken: Broken, language: Language) -> str:
    if broken.metric is None:
        return say(language, "found-failed")
    if broken.value is None:
        return say(language, "found-unknown", metric=metric(broken.metric, language))
    return say(
        language, "found-value", metric=metric(broken.metric, language), value=plain(broken.metric, broken.value)
    )
