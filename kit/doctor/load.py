"""Checks of the load that a plan sends."""

from collections.abc import Iterator

from kit.doctor.asked import Asked, check
from kit.model import Check
from kit.texts import doubt


def speculative(asked: Asked) -> Iterator[Check]:
    """The load and the server's way of predicting tokens go together."""
    for found in asked.plan.caveats if asked.plan is not None else ():
        if found.kind == "caveat-speculative":
            remedy = "measure without multi-token prediction too, and compare"
            yield check("min_tokens", "warn", doubt("en", found), remedy=remedy)
