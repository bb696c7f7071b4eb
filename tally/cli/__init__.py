"""The `tally` command line: one module a subcommand, put together in `app`."""
