"""A whole installation: set it up, examine it, run it on one machine, show it at work.

Beside the streams and the doors, below the command line, because it brings together what rooms further down must not know of one
another (docs/decisions/0009).
"""
