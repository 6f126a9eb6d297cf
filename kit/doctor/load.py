"""Checks of the load that a plan sends."""

from collections.abc import Iterator

from kit.doctor.asked import Asked, check
from kit.model import Check
from kit.texts import doubt

_REMEDIES = {
    "caveat-speculative": ("min_tokens", "measure without multi-token prediction too, and compare"),
    "caveat-rounds-rate": ("rounds", "give load.rounds a number"),
}


def caveats(asked: Asked) -> Iterator[Check]:
    """The load goes together with the server's way of predicting tokens, and its rounds with its cases."""
    for found in asked.plan.caveats if asked.plan is not None else ():
        if found.kind in _REMEDIES:
            name, remedy = _REMEDIES[found.kind]
            yield check(name, "warn", doubt("en", found), remedy=remedy)
