"""Checks of the load that a plan sends."""

import re
from collections.abc import Iterator

from kit.doctor.asked import Asked, check
from kit.model import Check
from kit.texts import doubt

_REMEDIES = {
    "caveat-speculative": ("min_tokens", "measure without multi-token prediction too, and compare"),
    "caveat-rounds-rate": ("rounds", "give load.rounds a number"),
}
_FILES = re.compile(r"^Max open files\s+(\d+)\s+(\d+)\s", re.MULTILINE)
_OTHER_FILES = 100
"""What a load generator has open beside its connections."""


def files(asked: Asked) -> Iterator[Check]:
    """The load generator may hold as many connections as the plan has clients: each takes a file. In a container the engine says."""
    plan = asked.plan
    if plan is None or plan.runtime != "process":
        return
    try:
        found = _FILES.search(asked.host.read("/proc/self/limits"))
    except OSError:
        return
    if found is None:
        return
    precise = all(entry.order.transport == "precise" for entry in plan.rounds)
    # kit's sender takes what it may have, evalscope what it is given.
    limit = int(found[2] if precise else found[1])
    needed = max(min(case.concurrency, case.requests) for case in plan.cases) + _OTHER_FILES
    if limit < needed:
        flag = "-Hn" if precise else "-n"
        remedy = f"ulimit {flag} {needed} before kit, or nofile in /etc/security/limits.conf"
        yield check("open files", "fail", f"{limit} at most", needed=f"{needed} for the connections", remedy=remedy)


def caveats(asked: Asked) -> Iterator[Check]:
    """The load goes together with the server's way of predicting tokens, and its rounds with its cases."""
    for found in asked.plan.caveats if asked.plan is not None else ():
        if found.kind in _REMEDIES:
            name, remedy = _REMEDIES[found.kind]
            yield check(name, "warn", doubt("en", found), remedy=remedy)
