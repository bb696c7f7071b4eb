"""The pipeline's metrics for Prometheus: what Postgres knows of ticks, pushes, parity and closing, read when asked.

The door exports its own, from memory (`ingest/metrics.py`). Names and labels of both: docs/metrics.md.
"""
