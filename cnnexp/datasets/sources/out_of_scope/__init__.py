"""Data for other tasks than one label per image, recognised so that they are refused by name."""
