"""The MLflow store: connecting to it, and reading runs back."""
