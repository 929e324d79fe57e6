"""Raw verdicts on images as Markdown: shares with 95 % Wilson intervals, kinds that can be told apart from the others.

A kind can be told where at least `IDENTIFIABLE` of its simulated images, which are made of calibration images and
never of the images that are diagnosed, are most like their own kind, and more changed than 99 of 100 ordinary ones:
more of these may not be accused.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.faults.intervals import wilson

IDENTIFIABLE = 0.8
SCORES = ("right", "listed", "wrong", "silent")

Row = Mapping  # of `images.measure`


def score(named: Sequence[str], right: Sequence[str]) -> str:
    """Return what a verdict is worth: one right name, a list with it, a wrong name, or none."""
    if not named:
        return "silent"
    if len(named) == 1:
        return "right" if named[0] in right else "wrong"
    return "listed" if set(named) & set(right) else "wrong"


def markdown(raw: Mapping[str, Sequence[Row]]) -> str:
    """Return the tables of all data sets: by group, by fault, and what was taken for what."""
    lines = [f"| | images | {' | '.join(SCORES)} |", "|---|---|" + "---|" * len(SCORES)]
    for data, rows in raw.items():
        for title, part, chosen in _groups(rows):
            scores = [score(named, row["right"]) for row in chosen for named in row[part]]
            if scores:
                lines.append(f"| {data}: {title} | {len(scores)} | {' | '.join(_shares(scores))} |")
    lines += ["", f"| fault | {' | '.join(f'{data}, one | sets' for data in raw)} |", "|---|" + "---|---|" * len(raw)]
    faults = dict.fromkeys(row["fault"] for rows in raw.values() for row in rows if row["kind"] == "named")
    for fault in faults:
        cells = [_cells(next((row for row in rows if row["fault"] == fault), None)) for rows in raw.values()]
        lines.append(f"| {fault} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_confusions(raw)])


def _groups(rows: Sequence[Row]) -> list[tuple[str, str, list[Row]]]:
    named = [row for row in rows if row["kind"] == "named"]
    told = [row for row in named if row["identifiable"] >= IDENTIFIABLE]
    parts = [
        (f"{len(told)} faults that can be told", told),
        (f"{len(named) - len(told)} that cannot", [row for row in named if row not in told]),
        ("all faults", named),
        *((what, [row for row in rows if row["kind"] == kind]) for kind, what in _OTHERS),
    ]
    return [(f"{title}, {how}", part, chosen) for title, chosen in parts for how, part in _PARTS]


_PARTS = (("one image", "images"), ("sets of 20", "sets"))
_OTHERS = (("unnamed", "kinds without a name"), ("clean", "no fault"), ("foreign", "other things"))


def _shares(scores: Sequence[str]) -> list[str]:
    cells = []
    for word in SCORES:
        low, high = wilson(scores.count(word), len(scores))
        cells.append(f"{scores.count(word) / len(scores):.3f} ({low:.3f} to {high:.3f})")
    return cells


def _cells(row: Row | None) -> str:
    if row is None:
        return "– | –"
    one, sets = ([score(named, row["right"]) for named in row[part]] for part in ("images", "sets"))
    told = "" if row["identifiable"] >= IDENTIFIABLE else f" (told {row['identifiable']:.2f})"
    return f"{one.count('right') / len(one):.2f}{told} | {sets.count('right')} of {len(sets)}"


def _confusions(raw: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return a line for each fault that was named as something else, with what and how often."""
    found: dict[str, Counter[str]] = {}
    for rows in raw.values():
        for row in rows:
            for named in (*row["images"], *row["sets"]):
                if score(named, row["right"]) == "wrong":
                    found.setdefault(row["fault"], Counter())[" or ".join(named)] += 1
    if not found:
        return ["Nothing was named wrongly."]
    lines = ["| fault | named wrongly |", "|---|---|"]
    for fault, names in found.items():
        lines.append(f"| {fault} | {', '.join(f'{name} {count}' for name, count in names.most_common())} |")
    return lines
