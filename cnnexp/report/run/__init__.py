"""One run in the terminal: header, progress, scores, findings."""

from cnnexp.report.run.progress import ProgressReport, epoch_line, reading_shown
from cnnexp.report.run.scores import print_scores
from cnnexp.report.run.terminal import RunReport

__all__ = ["ProgressReport", "RunReport", "epoch_line", "print_scores", "reading_shown"]
