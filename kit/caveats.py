"""What is doubtful about a plan before it is run: known from the profile alone."""

from collections.abc import Iterator, Mapping

from kit.engines import ENGINES, flags
from kit.model import Doubt, Profile


def of(profile: Profile, prompts: Mapping[str, int]) -> Iterator[Doubt]:
    """The doubts that concern every figure; `prompts` says how many each file of them holds, by its digest."""
    server, load = profile.server, profile.load
    engine = ENGINES[server.engine]
    if found := flags.given(server.args, *engine.FLAGS.speculative):
        yield Doubt(kind="caveat-speculative", values=(("flag", found),))
    if load.until is not None and any(case.rate is not None for case in load.expanded()):
        yield Doubt(kind="caveat-rounds-rate")
    if not _cached(profile):
        return
    random = [case for case in load.expanded() if case.shape is None or case.shape.prompts is None]
    if flush_path(profile) is None and load.seeds == "shared" and len(random) > 1:
        yield Doubt(kind="caveat-shared-prompts")
    if repeated := dict.fromkeys(_repeated(profile, prompts)):
        yield Doubt(kind="caveat-repeated-prompts", values=(("files", ", ".join(repeated)),))


def _repeated(profile: Profile, prompts: Mapping[str, int]) -> Iterator[str]:
    """The files of prompts of which some may be sent again before the cache is emptied: each round draws from all of them."""
    load = profile.load
    sent = [(told, case.requests) for case in load.expanded() if case.shape and (told := case.shape.prompts)]
    rounds = load.rounds + load.warmup.rounds + bool(load.warmup.requests)
    for told, requests in sent:
        times = rounds * sum(other.sha256 == told.sha256 for other, _ in sent)
        if (flush_path(profile) is None and times > 1) or requests > prompts.get(told.sha256 or "", requests):
            yield told.label


def flush_path(profile: Profile) -> str | None:
    """Where to ask the server for an empty prefix cache; None where it has none or no way to."""
    cache = ENGINES[profile.server.engine].CACHE
    if cache.needs is not None and cache.needs not in profile.server.env:
        return None
    return cache.flush if _cached(profile) else None


def _cached(profile: Profile) -> bool:
    cache, args = ENGINES[profile.server.engine].CACHE, profile.server.args
    if not cache.exists or flags.given(args, *cache.off):
        return False
    return not cache.on or flags.given(args, *cache.on) is not None
