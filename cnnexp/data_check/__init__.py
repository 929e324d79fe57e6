"""What is wrong with a data set, or only remarkable, compared with the rest of the same data set."""

from cnnexp.data_check.check import check, summary, summary_of_images, with_labels_of_run

__all__ = ["check", "summary", "summary_of_images", "with_labels_of_run"]
