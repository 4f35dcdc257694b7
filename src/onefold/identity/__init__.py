"""The heart, pure: interactions and a snapshot go in, a plan comes out. No I/O, no clock, no randomness.

It imports no third-party package but those that normalising needs (phone numbers, IDNA, email addresses).
"""
