"""Answers about images: sentences, files with a row an image, and a page with the images."""

from cnnexp.report.prediction.answer_files import (
    FIELDS,
    CsvWriter,
    JsonWriter,
    ParquetWriter,
    Writer,
    answer_values,
    whole,
)
from cnnexp.report.prediction.answer_page import PageWriter
from cnnexp.report.prediction.answer_text import answer_line, diagnose_line, failure_line, model_note, summary_line

__all__ = [
    "FIELDS",
    "CsvWriter",
    "JsonWriter",
    "PageWriter",
    "ParquetWriter",
    "Writer",
    "answer_line",
    "answer_values",
    "diagnose_line",
    "failure_line",
    "model_note",
    "summary_line",
    "whole",
]
