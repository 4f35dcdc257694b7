"""The collector's rules, without sockets."""
