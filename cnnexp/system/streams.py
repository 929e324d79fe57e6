"""Standard output and standard error, which may be closed, full, or read by nobody any more.

What prints while it works, such as a run, goes on without them. A command that was started for what it prints fails.
"""

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import TextIO

from cnnexp.errors import OutputError

QUIET = "CNNEXP_QUIET"  # environment variable: reports of what is recorded anyway are not printed; set by --quiet

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


@contextmanager
def quiet_reports() -> Iterator[None]:
    """Print no report of what is recorded anyway, in this process and those that it starts."""
    before = os.environ.get(QUIET)
    os.environ[QUIET] = "1"
    try:
        yield
    finally:
        os.environ.pop(QUIET) if before is None else os.environ.update({QUIET: before})


def open_missing() -> None:
    """Lead standard streams that were closed before the start (``>&-``) to the null device.

    The next file that is opened would take the number of a closed one, and receive what C code and other processes
    print.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            with suppress(OSError):
                os.fstat(number)
                continue  # another file has the number already
            _lead_nowhere(number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def print_error(text: str) -> None:
    """Print on standard error; where that is impossible, nothing happens."""
    with suppress(OSError, ValueError):  # ValueError: it has been closed since
        print(_broken_between_words(text) if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


def _broken_between_words(text: str) -> str:
    """Break each line at the width of the terminal, which would break it within a word."""
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    fold = partial(textwrap.wrap, width=width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join("\n".join(fold(line)) for line in text.split("\n"))


def print_required(text: str, *, end: str = "\n") -> None:
    """Print what a command was started for.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: its reader has left.

    """
    with _refusing():
        print(text, end=end, flush=True)


def print_document(text: str) -> None:
    """Print a document such as JSON: in UTF-8, whatever the encoding of the terminal; raises as `print_required`."""
    print_bytes(text.encode("utf-8", "surrogateescape"))


def print_bytes(content: bytes) -> None:
    """Print the content of a file; raises as `print_required`."""
    with _refusing():
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


@contextmanager
def printed_at_once() -> Iterator[None]:
    """Collect what is printed in the block, and print it at its end; raises as `print_required`."""
    collected = io.StringIO()
    try:
        with redirect_stdout(collected):
            yield
    finally:  # Hydra leaves by SystemExit after its help
        print_required(collected.getvalue(), end="")


def finish_output() -> None:
    """Write out what standard output still holds back.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: its reader has left.

    """
    with _refusing():
        sys.stdout.flush()


def abandon_output() -> None:
    """Drop what standard output still holds, or Python would fail on it when the process ends."""
    _lead_nowhere(sys.stdout.fileno())


class Output:
    """Standard output as a file for a console: it either never fails, or fails in one sentence."""

    def __init__(self, stream: TextIO, *, required: bool) -> None:
        """Write to `stream`; where it is not `required`, what cannot be written is lost, and that is said once."""
        self._stream = stream
        self._required = required

    @property
    def encoding(self) -> str:
        """The name of the encoding that is written."""
        return self._stream.encoding

    def isatty(self) -> bool:
        """Tell whether a person sees it at once."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the number of the file."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write text.

        Raises:
            OutputError: it is required, and cannot be written.
            BrokenPipeError: it is required, and its reader has left.

        """
        with self._guarded():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write out what is held back; raises what :meth:`write` raises."""
        with self._guarded():
            self._stream.flush()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._required:
            with _refusing():
                yield
            return
        try:
            yield
        except OSError as error:
            _lead_nowhere(self._stream.fileno())
            if not isinstance(error, BrokenPipeError):
                print_error(f"warning: {_sentence(error)} What would be printed from here on is lost.")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_output()
        raise OutputError(_sentence(error)) from error


def _sentence(error: OSError) -> str:
    return f"Standard output cannot be written: {error.strerror}."


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def printed_to() -> str:
    """Return the path of what standard error is, a terminal or a file; empty: something that has none, as a pipe."""
    with suppress(OSError):
        if os.isatty(2):
            return os.ttyname(2)
        if stat.S_ISREG(os.fstat(2).st_mode):
            return str(Path("/proc/self/fd/2").readlink())
    return ""


def writing_to(path: str) -> Callable[[str], None]:
    """Return what writes a text to a terminal or at the end of a file, if there is one."""

    def write(text: str) -> None:
        with suppress(OSError):  # it is gone, too
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
            try:
                os.write(handle, text.encode(errors="backslashreplace"))
            finally:
                os.close(handle)

    return write if path else lambda _text: None
