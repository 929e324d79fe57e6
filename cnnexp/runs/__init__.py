"""One run, from configuration to result, recorded and reported as it goes."""
