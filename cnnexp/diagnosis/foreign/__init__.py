"""What a model that cnnexp did not train wants to be given, found by trying it on labelled images."""
