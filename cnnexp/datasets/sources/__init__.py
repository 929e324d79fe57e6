"""Where images come from: folders, tables, arrays, and data sets known by name."""
