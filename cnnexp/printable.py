"""Text that commands neither a terminal nor a page, as the name of a file, a class or a folder could."""


def printable(text: str, *, keep: str = "") -> str:
    """Return the text with escapes for control characters and undecodable bytes, but for the letters to `keep`."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in text
    )
