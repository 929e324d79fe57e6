"""A comparison as a reader gets it: sentences, a table in the terminal, one HTML page, CSV, JSON and Markdown."""

from cnnexp.report.comparison.exports import csv_text, json_text, markdown_text
from cnnexp.report.comparison.html_page import page
from cnnexp.report.comparison.terminal_table import print_comparison
from cnnexp.report.comparison.wording import effect_sentence, verdict

__all__ = ["csv_text", "effect_sentence", "json_text", "markdown_text", "page", "print_comparison", "verdict"]
