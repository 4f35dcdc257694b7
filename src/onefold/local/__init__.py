"""Real servers and every role of ours on one machine, without Docker (architecture, section 7).

Called by the command line (`onefold up`, `onefold demo`) and by the tests. It starts programs, waits until they answer and stops them;
it knows nothing of contacts, and makes no table and no topic: `onefold setup` does.
"""
