"""A sender that looked away: what it tells of it, and when that matters for a figure."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from kit.instrument.load import PAUSE_NS, Load
from kit.loadgens import pauses
from kit.model import Doubt, Sample
from kit.texts import doubt

MS = 1_000_000
TTFT, ITL, TOKENS = 0.1, 0.01, 128
Pauses = Sequence[tuple[float, float]]


def looked(*looks: tuple[int, int, float]) -> dict[str, object]:
    """What is told of looks at these times, read by those, after waits of so many seconds at most; milliseconds."""
    load = Load()
    for at, read, waited in looks:
        load.looked(at * MS, read * MS, waited)
    return load.summary()


def test_waiting_for_what_may_come_is_no_pause() -> None:
    told = looked((10, 10, 0.01), (20, 20, 0.01), (21, 21, 0.01), (31, 31, 0.01))
    assert (told["pauses_ns"], told["longest_pause_s"]) == ([], 0.0)


def test_a_look_that_takes_longer_than_it_was_to_wait_tells_of_a_pause() -> None:
    told = looked((10, 10, 0.01), (518, 520, 0.01), (600, 600, 0.0), (604, 604, 0.0))
    # What came after the look at 518 was not seen before that at 600, however long the reading took.
    assert told["pauses_ns"] == [(10 * MS, 520 * MS), (518 * MS, 600 * MS)]
    assert told["longest_pause_s"] == 0.5


def test_the_longest_pauses_are_kept() -> None:
    load, at = Load(), 0
    lengths = [PAUSE_NS + number for number in random.Random(1).sample(range(1, 10**6), 1500)]
    for length in lengths:
        at += length
        load.looked(at, at, 0.0)
    kept = load.summary()["pauses_ns"]
    assert isinstance(kept, list)
    assert sorted(end - begin for begin, end in kept) == sorted(lengths)[-1000:]
    assert kept == sorted(kept)


# --- what they did to the figures ---------------------------------------------------------------------------------


def answers(
    sent: Sequence[float], seen: Pauses = (), *, together: int = 1, stamped: bool = True, tokens: int = TOKENS
) -> list[Sample]:
    """What a sender sees of a steady server, of which each read takes all that came; `together`: so many texts come at once."""

    def stamp(came: Sequence[float]) -> list[float]:
        times = list(came)
        for begin, end in seen:
            held = [at for at in came if begin < at <= end]
            times = [
                (held[-1] if stamped else end) if begin < old <= end else at
                for old, at in zip(came, times, strict=True)
            ]
        return times

    found = []
    for index, at in enumerate(sent):
        came = stamp([at + TTFT + ITL * together * (number // together) for number in range(tokens)])
        found.append(
            Sample(
                index=index, succeeded=True, sent_s=at, ttft_s=came[0] - at, latency_s=came[-1] - at,
                gaps_s=tuple(0.0 if later == earlier else later - earlier for earlier, later in pairwise(came)),
                output_tokens=tokens,
            )
        )  # fmt: skip
    return found


def told(samples: Sequence[Sample], seen: Pauses, *, stamped: bool = True) -> Doubt | None:
    began_s = 4000.0
    ns = [[round((began_s + at) * 1e9) for at in pause] for pause in seen]
    return pauses.doubt({"stamped": stamped, "pauses_ns": ns}, samples, began_s)


def waves(number: int, clients: int = 8) -> list[float]:
    """As many clients as that begin one after the other, and send the next request when an answer is over."""
    latency = TTFT + ITL * (TOKENS - 1)
    return [wave * latency + client * latency / clients for wave in range(number) for client in range(clients)]


def test_one_pause_in_which_first_texts_came_is_told_with_its_weight() -> None:
    sent = waves(8)
    stop = [(2.0, 2.5)]
    samples = answers(sent, stop)
    true, seen = TTFT, sum(one.ttft_s or 0 for one in samples) / len(samples)
    found = told(samples, stop)
    assert found is not None
    assert found.kind == "client-paused"
    values = dict(found.values)
    assert float(values["ttft"].rstrip("%")) == pytest.approx(100 * (1 - true / seen), abs=0.2), "as much as it was"
    assert 1 - true / seen > 0.05
    assert (values["of"], values["p99"]) == ("64", "—"), "64 requests carry no p99"
    for language in ("en", "zh-CN"):
        assert values["ttft"] in doubt(language, found)


def test_a_quiet_run_gets_none() -> None:
    """Whatever a busy machine does between tokens: thousands of pauses, of which none holds a first text and what followed it."""
    source = random.Random(42)
    for together in (1, 2, 4):
        sent = waves(16)
        short = [(at, at + source.uniform(0.005, 0.009)) for at in (source.uniform(0, 20) for _ in range(40))]
        assert told(answers(sent, together=together), short) is None
    assert told(answers(waves(8)), []) is None
    assert pauses.doubt({}, answers(waves(8), [(2.0, 2.5)]), 4000.0) is None, "of before: nothing is told"


def test_a_long_pause_that_no_first_text_fell_into_is_none() -> None:
    sent = [0.0] * 8 + [1.5] * 8
    assert told(answers(sent, [(0.2, 1.2)]), [(0.2, 1.2)]) is None


def test_the_p99_is_weighed_where_the_requests_carry_it() -> None:
    """A pause that moves the mean of 1000 requests by less than 1 %, and their p99 by more than 10 %."""
    sent = [number * 2.0 for number in range(989)] + [1980.0] * 11
    stop = [(1980.05, 1980.145)]
    found = told(answers(sent, stop), stop)
    assert found is not None
    values = dict(found.values)
    assert float(values["ttft"].rstrip("%")) < 1
    assert float(values["p99"].rstrip("%")) > 10
    assert told(answers(sent[339:], stop), stop) is None, "661 requests carry none"


def test_tpot_is_weighed_where_answers_are_short() -> None:
    """Of a TTFT of seconds it takes nothing, of eight tokens much."""
    long = [one.model_copy(update={"ttft_s": (one.ttft_s or 0) + 5, "latency_s": (one.latency_s or 0) + 5, "sent_s": (one.sent_s or 0) - 5})
            for one in answers([0.0] * 8, [(0.05, 0.13)], tokens=8)]  # fmt: skip
    found = told(long, [(0.05, 0.13)])
    assert found is not None
    assert float(dict(found.values)["ttft"].rstrip("%")) < 1
    assert float(dict(found.values)["tpot"].rstrip("%")) > 10


def test_over_tls_what_is_read_late_is_stamped_late_whatever_came_with_it() -> None:
    stop = [(2.0, 2.5)]
    slow = [Sample(index=0, succeeded=True, sent_s=1.95, ttft_s=0.55, latency_s=1.55, gaps_s=(1.0,), output_tokens=2)]
    assert told(slow, stop, stamped=False) is not None
    assert told(slow, stop) is None, "the kernel's stamp of what came alone is true"
    many = answers(waves(8), stop, stamped=False)
    assert told(many, stop, stamped=False) is not None
    assert told(answers(waves(8), stamped=False), [], stamped=False) is None


@pytest.mark.parametrize(
    "odd", [None, 7, "x", [1], [[1]], [[1, "2"]], [[2, 1]], [[-1, 10**400]], {"a": 1}, [[True, None]]]
)
def test_pauses_that_are_none_are_not_weighed(odd: object) -> None:
    assert pauses.doubt({"stamped": True, "pauses_ns": odd}, answers(waves(8), [(2.0, 2.5)]), 4000.0) is None
