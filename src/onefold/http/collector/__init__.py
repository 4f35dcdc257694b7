"""The public door for events: Segment's and RudderStack's SDKs, with only the host changed (interfaces.md C1).

It knows a write key, cuts a body into calls, translates each into an interaction, and answers 200 once the broker has them all. It
resolves nothing and reads nothing back. `role.run` is its entry; the command `onefold collector` calls it.
"""
