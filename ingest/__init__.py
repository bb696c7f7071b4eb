"""The HTTP door: takes usage events, lands them durably, answers event by event. Started by `python -m ingest`."""
