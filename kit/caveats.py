"""What is doubtful about a plan before it is run: known from the profile alone."""

from collections.abc import Iterator

from kit.engines import ENGINES, flags
from kit.model import Doubt, Profile


def of(profile: Profile) -> Iterator[Doubt]:
    """The doubts that concern every figure."""
    server, load = profile.server, profile.load
    engine = ENGINES[server.engine]
    if found := flags.given(server.args, *engine.FLAGS.speculative):
        yield Doubt(kind="caveat-speculative", values=(("flag", found),))
    if _cached(profile) and flush_path(profile) is None and load.seeds == "shared" and len(load.expanded()) > 1:
        yield Doubt(kind="caveat-shared-prompts")
    if load.until is not None and any(case.rate is not None for case in load.expanded()):
        yield Doubt(kind="caveat-rounds-rate")


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
