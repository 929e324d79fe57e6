"""Label issues by cleanlab's defaults: reads labels and probabilities from an .npz file, prints scores as JSON.

peers/bin/python benchmarks/peers/cleanlab_issues.py CASE.npz
"""

import json
import sys

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

with np.load(sys.argv[1]) as case:
    labels, probabilities = case["labels"], case["probabilities"]
issues = find_label_issues(labels, probabilities, n_jobs=1)
quality = get_label_quality_scores(labels, probabilities)
print(json.dumps({"issues": issues.tolist(), "quality": quality.tolist()}))
