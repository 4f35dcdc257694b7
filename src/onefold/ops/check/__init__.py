"""Check what must always be true, while everything runs: a small registry of checks over one installation.

`registry` lists the checks, `running` looks twice, `look` is what one look reads and shares. Reading is apart from comparing: `lines`,
`positions`, `people`, `versions`, `membership`, `letters` and `partitions` each compare what was read, and hold the check that reads it.
Called by `onefold check` (docs/reference/check.md). Repairs nothing.
"""
