"""What operators do: set up, examine. Called by the command line."""
