"""Pages for a browser, as package data."""
