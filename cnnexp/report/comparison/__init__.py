"""A comparison as a reader gets it: sentences, a table in the terminal, CSV, JSON and Markdown.

The HTML page is `html_page.page`, imported where one is written: its charts would delay every comparison.
"""

from cnnexp.report.comparison.exports import csv_text, json_text, markdown_text
from cnnexp.report.comparison.terminal_table import print_comparison
from cnnexp.report.comparison.wording import advice_sentences, effect_sentence, verdict

__all__ = [
    "advice_sentences",
    "csv_text",
    "effect_sentence",
    "json_text",
    "markdown_text",
    "print_comparison",
    "verdict",
]
