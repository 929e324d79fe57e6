"""Image files to pixels of one size, by several processes."""
