"""Shadow mode: live counters pushed to a test account too, in parallel, where they bill nobody."""
