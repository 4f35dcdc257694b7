"""The command line for operators: one file a noun, `--json` on every read, exit codes from one table (`output`)."""
