"""What visitors do by themselves: prove that an address is theirs, by a code or a link. Called by the doors that visitors come through."""
