"""One run in the terminal."""
