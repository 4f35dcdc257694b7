"""Looking after the resolution index: is it complete and true, mend it, make it anew. The index is a hint, so nothing here is urgent.

`walk` goes through Postgres, `comparing` and `extras` hold Redis against it, `verify` puts them together; `rebuild` and `sweep` make the
index anew. Called by `onefold index` and by `onefold check`.
"""
