"""Structural seeds: structure and contacts of a workspace as an ordered list of items: planned, applied, exported (product.md, section 10).

Above `contacts` and `workspace`, whose use cases it calls: a seed does nothing that a person could not do by hand. Called by the command
line and by the User API, which open the one transaction of a seed.
"""
