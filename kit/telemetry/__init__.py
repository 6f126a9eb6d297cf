"""Telemetry of a run: one sampler per machine while the rounds go on, and what it comes to for each."""

from kit.model import Telemetry
from kit.telemetry.sampling import INTERVAL_S, Sampler, Tick
from kit.telemetry.summing import Window, doubts, summary

__all__ = ["INTERVAL_S", "Sampler", "Telemetry", "Tick", "Window", "doubts", "summary"]
