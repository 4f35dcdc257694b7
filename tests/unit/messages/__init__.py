"""What travels, without a socket."""
