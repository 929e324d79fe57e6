"""Where images come from: folders, tables, arrays, and built-in data sets."""
