"""kit: one command from a profile to a test report of an LLM inference server."""

__version__ = "0.1.0"
