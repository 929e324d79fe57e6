"""Probes of a finished run: short trainings and its model asked again, on the images that it had."""
