"""Explain: why a contact holds what it holds, how any two of its identifiers hang together, and why two contacts are not one.

`explain` loads what was recorded and puts the answer together, `standing` says what belonged to whom at a time, `paths` finds chains,
`apart` what stands between two contacts, and `shapes` is what comes out. Called by the command line, and by the APIs to come.
"""
