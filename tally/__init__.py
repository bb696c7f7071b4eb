"""Tallyledger's domain core: what is counted, what was sent, and whether the two agree."""

__version__ = "0.1.0"
