"""What operators do: examine, repair, rebuild, redrive. Use cases without a door; the command line calls them.

Long actions are jobs (`onefold.records.jobs`): planned first, shown, then run with progress that survives the process.
"""
