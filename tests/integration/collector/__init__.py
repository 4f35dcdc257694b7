"""The collector and its keys against real servers."""
