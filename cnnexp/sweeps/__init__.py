"""Sweeps: many runs from one command, on this machine or through another launcher of Hydra."""
