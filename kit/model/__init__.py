"""The words of kit as frozen records. Anything that crosses a file or a layer is one of these."""

from kit.model.accelerator import Device, Family, Topology
from kit.model.acceptance import Acceptance
from kit.model.cases import Case, CaseGroup
from kit.model.check import Check, Preflight
from kit.model.fact import Fact
from kit.model.inventory import Cpu, Inventory, Memory, NumaNode, System
from kit.model.machine import AcceleratorWish, Machine
from kit.model.plan import Environment, Grant, MadeModel, Order, Plan, Program, RoundPlan, ServerPlan, Target
from kit.model.profile import (
    Container,
    Load,
    Mount,
    Profile,
    ReportWords,
    Secret,
    Server,
)
from kit.model.record import Length, Pairs, Record, Seconds, Utc
from kit.model.repeating import Until, Warmup
from kit.model.result import (
    Doubt,
    Failure,
    Figures,
    Histogram,
    NativeSummary,
    Phase,
    Restart,
    RoundResult,
    RunStatus,
    Sample,
    ServerStart,
    ServerTimes,
    Spread,
)
from kit.model.telemetry import CardReading, CardTick, HostTick, Telemetry

__all__ = [
    "AcceleratorWish",
    "Acceptance",
    "CardReading",
    "CardTick",
    "Case",
    "CaseGroup",
    "Check",
    "Container",
    "Cpu",
    "Device",
    "Doubt",
    "Environment",
    "Fact",
    "Failure",
    "Family",
    "Figures",
    "Grant",
    "Histogram",
    "HostTick",
    "Inventory",
    "Length",
    "Load",
    "Machine",
    "MadeModel",
    "Memory",
    "Mount",
    "NativeSummary",
    "NumaNode",
    "Order",
    "Pairs",
    "Phase",
    "Plan",
    "Preflight",
    "Profile",
    "Program",
    "Record",
    "ReportWords",
    "Restart",
    "RoundPlan",
    "RoundResult",
    "RunStatus",
    "Sample",
    "Seconds",
    "Secret",
    "Server",
    "ServerPlan",
    "ServerStart",
    "ServerTimes",
    "Spread",
    "System",
    "Target",
    "Telemetry",
    "Topology",
    "Until",
    "Utc",
    "Warmup",
]
