"""What executes the runs of a sweep: processes of this machine, or of a Ray cluster."""
