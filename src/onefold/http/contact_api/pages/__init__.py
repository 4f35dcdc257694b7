"""Pages that links in messages lead to, their words, and what they load: a style and a script, from the same host."""
