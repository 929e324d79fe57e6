from dataclasses import dataclass

import keras


@dataclass(frozen=True, kw_only=True, slots=True)
class Regularization:
    """The regularization inside the model."""

    dropout: float  # share of units dropped before the logits
    l1: float  # weight of the sum of absolute kernel weights
    l2: float  # weight of the sum of squared kernel weights

    def kernel(self) -> keras.regularizers.Regularizer | None:
        """Return a new penalty for one hidden kernel; None without L1 and L2."""
        return keras.regularizers.L1L2(l1=self.l1, l2=self.l2) if self.l1 or self.l2 else None
