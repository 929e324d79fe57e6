"""A comparison in the terminal, as a page and as files."""
