"""What several tests need: data, models and records made on the fly, and processes of their own."""

from pathlib import Path

TESTS = Path(__file__).parents[1]  # on sys.path, a process of a test can import this package
