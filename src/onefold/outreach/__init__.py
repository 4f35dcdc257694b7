"""What is written to people: what may be asked for, in which words and languages, and how it gets to them (mail, SMS).

`request` puts a message into the outbox in its caller's transaction; `sending` makes one attempt at what the stream `streams.outreach` has
taken from the topic. Whether a code or a link is right is not decided here.
"""
