"""What visitors do by themselves, as far as it needs no server."""
