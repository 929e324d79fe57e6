"""What is wrong, or only remarkable, about a data set, seen relative to the data set itself."""

from cnnexp.data_check.check import check, gist

__all__ = ["check", "gist"]
