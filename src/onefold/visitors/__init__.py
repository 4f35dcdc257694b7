"""What visitors do by themselves, by the Contact API: say who they are, prove it, sign in, see and change what is theirs.

Nobody is told anything of anybody before a proof (security.md, S26, S46). Everything is an interaction, too, and resolves like any other.
"""
