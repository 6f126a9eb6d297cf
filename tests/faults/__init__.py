"""Faults, each injected for real: what is left afterwards, and that a run ends with the same results all the same."""
