"""A transactional outbox: a run is recorded on disk first and delivered to MLflow by another process."""
