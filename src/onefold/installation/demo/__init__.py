"""The demo: realistic visits through real SDKs, watched while they are resolved, and held against what is known to be true.

`visits` invents people and what they do, purely; `sender` is a process that drives one SDK; `watching` counts and waits; `verdict`
compares the result with the truth. `onefold demo` puts them together.
"""
