"""What every floor may use of the machine, its processes and its terminal; knows nothing of experiments."""
