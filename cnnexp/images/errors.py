"""What the reader raises."""


class UnreadableImageError(ValueError):
    """A file or array cannot be read as an image; the message says why."""


class UnknownRangeError(UnreadableImageError):
    """The numbers of an image may mean anything until a value range is set."""

    def __init__(self, message: str, *, kind: str, low: float, high: float) -> None:
        """Keep what the numbers are, for whoever looks for the range of a data set."""
        super().__init__(message)
        self.kind, self.low, self.high = kind, low, high  # such as int16, -1024, 3071
