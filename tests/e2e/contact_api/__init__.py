"""The chat in a real browser, against the Contact API."""
