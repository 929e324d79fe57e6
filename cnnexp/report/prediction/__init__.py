"""Answers about images, as a page and as files."""
