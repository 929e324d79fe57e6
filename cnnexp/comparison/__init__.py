"""Is B really better than A? A pure function from recorded runs to verdicts.

Two questions are kept apart. "Is this *model* better on these images?" is paired image by image (`same_images`);
its answer holds for the two trained models at hand. "Is this *setting* better?" is paired seed by seed (`seeds`,
`effects`); its answer holds for training again. Rows are ranked on validation and compared on test.
"""

from cnnexp.comparison.compare import compare, require_recorded
from cnnexp.comparison.result import Comparison, Standing

__all__ = ["Comparison", "Standing", "compare", "require_recorded"]
