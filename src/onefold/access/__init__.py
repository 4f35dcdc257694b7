"""Who may do what: write keys now; users, roles, sessions and rate limits later. Knows no HTTP."""
