"""The pages that people open: reconciliation reports and dbt's documentation, read-only, from TALLY_HOME/reports."""
