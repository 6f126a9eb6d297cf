"""A repeated run held against its original, in words: the one sentence, what could explain it, and the cells of its tables."""

from collections.abc import Iterator, Sequence

from kit.model.acceptance import SUCCESS_RATE
from kit.model.profile import Language
from kit.model.reproduction import Otherwise, Repeated, Reproduction
from kit.report import verdicts
from kit.texts import CATALOGUE, say
from kit.texts.facts import fact

_MOST_NAMED = 5
_LONG = 60
_MARKS = {"within": "", "outside": " ×", "open": " ?"}


def sentence(found: Reproduction, language: Language) -> str:
    """Whether the original was reproduced, and if not, in which cases not."""
    total = len(found.figures)
    if found.outcome == "reproduced":
        counted = sum(entry.low is not None for entry in found.figures)
        intervals = say(language, "repeat-intervals", count=counted) if counted else ""
        count = len({entry.case for entry in found.figures})
        return say(
            language, "repeat-reproduced", original=found.original, total=total, cases=count, intervals=intervals
        )
    if not total:
        return say(language, "repeat-nothing", original=found.original)
    key, state = ("repeat-not-reproduced", "outside") if found.outcome == "not-reproduced" else ("repeat-open", "open")
    count = sum(entry.state == state for entry in found.figures)
    cases = say(language, "list").join(dict.fromkeys(entry.case for entry in found.figures if entry.state == state))
    return say(language, key, original=found.original, total=total, count=count, cases=cases)


def lines(found: Reproduction, language: Language) -> tuple[str, ...]:
    """What the conclusion says of it: the sentence, who vouches for the original, and what could explain what came out otherwise."""
    return tuple(_lines(found, language))


def _lines(found: Reproduction, language: Language) -> Iterator[str]:
    yield sentence(found, language)
    if found.signed_by:
        names = say(language, "list").join(_signer(one, language) for one in found.signed_by)
        yield say(language, "repeat-signed", names=names)
    else:
        yield say(language, "repeat-unsigned")
    if not found.machine_known:
        yield say(language, "repeat-figures-only")
    elif found.outcome != "reproduced":
        relevant = [one for one in found.differences if one.performance]
        if not relevant:
            yield say(language, "repeat-unexplained")
            return
        named = [change(one, language) for one in relevant[:_MOST_NAMED]]
        if len(relevant) > _MOST_NAMED:
            named.append(say(language, "repeat-more", count=len(relevant) - _MOST_NAMED))
        yield say(language, "repeat-explained", names=say(language, "and").join(named))


def _signer(stored: str, language: Language) -> str:
    """Who signed as what, of `Jane Doe (tester)`."""
    name, _, role = stored.rstrip(")").rpartition(" (")
    if f"role-{role}" not in CATALOGUE:
        return stored
    return say(language, "repeat-signer", name=name, role=say(language, f"role-{role}").lower())


def change(one: Otherwise, language: Language = "en") -> str:
    """A difference in one line."""
    before, after = sides(one)
    return f"{fact(language, one.name)}: {before} → {after}"


def sides(one: Otherwise) -> tuple[str, str]:
    """What was and what is; of two long lists only the words that the other lacks."""
    before, after = one.before, one.after
    if before is None or after is None:
        return before or "—", after or "—"
    if len(before) <= _LONG and len(after) <= _LONG:
        return before, after
    old, new = before.split(), after.split()
    return _only(old, new), _only(new, old)


def _only(words: Sequence[str], others: Sequence[str]) -> str:
    """The words that the others lack, with dots where some were left out."""
    known = set(others)
    kept = [word for word in words if word not in known]
    # The same words in another order, or some of them twice: nothing may be left out.
    if not kept:
        return "…" if len(set(words)) < len(known) else " ".join(words)
    return " ".join(kept) if len(kept) == len(words) else f"… {' '.join(kept)} …"


def columns(language: Language, metrics: Sequence[str]) -> tuple[str, ...]:
    """The titles of the table of cases."""
    return (say(language, "col-case"), *(verdicts.metric(name, language) for name in metrics))


def metrics(found: Reproduction) -> tuple[str, ...]:
    """The metrics that any case was compared in."""
    return tuple(dict.fromkeys(entry.metric for entry in found.figures))


def rows(found: Reproduction) -> tuple[tuple[str, ...], ...]:
    """The table of cases: how far each figure is from the original's, marked where it is not within its tolerance."""
    known = {(entry.case, entry.metric): entry for entry in found.figures}
    return tuple(
        (case, *(_cell(known.get((case, metric))) for metric in metrics(found)))
        for case in dict.fromkeys(entry.case for entry in found.figures)
    )


def _cell(entry: Repeated | None) -> str:
    if entry is None:
        return "—"
    if entry.metric == SUCCESS_RATE:
        both = dict.fromkeys(verdicts.plain(entry.metric, value) for value in (entry.original, entry.repeated))
        return f"{' → '.join(both)}{_MARKS[entry.state]}"
    return f"{moved(entry)}{_MARKS[entry.state]}"


def moved(entry: Repeated) -> str:
    """`+1.2% [+0.8, +1.6]`: how far a figure is from the original's, with its interval where there are rounds."""
    if entry.ratio is None:
        return "—"
    text = f"{_percent(entry.ratio)}%"
    if entry.low is None or entry.high is None:
        return text
    return f"{text} [{_percent(entry.low)}, {_percent(entry.high)}]"


def _percent(ratio: float) -> str:
    # Nobody needs the digits of an interval that tells nothing.
    moved_by = (ratio - 1) * 100
    return f"{moved_by:+.1f}" if abs(moved_by) < 1000 else f"{moved_by:+.0e}"


def tolerances(found: Reproduction, language: Language) -> str:
    """How far each metric may be off, those alike together; without their names where all are."""
    alike: dict[float, list[str]] = {}
    for entry in found.figures:
        if entry.metric != SUCCESS_RATE:
            names = alike.setdefault(entry.tolerance, [])
            names += [entry.metric] if entry.metric not in names else []
    if len(alike) == 1:
        return allowed(next(iter(alike)))
    return say(language, "and").join(
        f"{say(language, 'list').join(verdicts.metric(name, language) for name in names)} {allowed(tolerance)}"
        for tolerance, names in alike.items()
    )


def allowed(tolerance: float) -> str:
    return f"±{tolerance * 100:.3g}%"


def beyond(found: Reproduction, language: Language) -> tuple[tuple[str, ...], ...]:
    """Every figure that is not within its tolerance: what it was, what it is, and why that is not within."""
    return tuple(
        (
            entry.case,
            verdicts.metric(entry.metric, language),
            verdicts.plain(entry.metric, entry.original),
            verdicts.plain(entry.metric, entry.repeated),
            moved(entry),
            say(language, "repeat-not-lower") if entry.metric == SUCCESS_RATE else allowed(entry.tolerance),
            say(language, f"repeat-{_why(entry)}"),
        )
        for entry in found.figures
        if entry.state != "within"
    )


def _why(entry: Repeated) -> str:
    if entry.state == "outside":
        return "outside"
    if entry.original is None:
        return "lacks-original"
    if entry.repeated is None:
        return "lacks-now"
    return "not-positive" if entry.original <= 0 or entry.repeated <= 0 else "noise"
