"""A comparison as a reader gets it: sentences, a table in the terminal, CSV, JSON and Markdown.

The HTML page is `html_page.page`, imported where one is written: its charts would delay every comparison.
"""

from cnnexp.report.comparison.advice import advice_sentences
from cnnexp.report.comparison.exports import (
    configuration_lines,
    csv_text,
    effect_lines,
    importance_lines,
    markdown_text,
    model_lines,
    slice_lines,
)
from cnnexp.report.comparison.json_document import json_text
from cnnexp.report.comparison.terminal_table import print_comparison
from cnnexp.report.comparison.verdict import basis, verdict
from cnnexp.report.comparison.wording import effect_sentence

__all__ = [
    "advice_sentences",
    "basis",
    "configuration_lines",
    "csv_text",
    "effect_lines",
    "effect_sentence",
    "importance_lines",
    "json_text",
    "markdown_text",
    "model_lines",
    "print_comparison",
    "slice_lines",
    "verdict",
]
