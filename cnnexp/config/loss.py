from cnnexp.config.setting import setting, settings, within


@settings
class LossConfig:
    """What training minimizes; as it stands: cross-entropy."""

    name: str = setting(column="if set", neutral="cross_entropy")


@settings
class FocalLossConfig(LossConfig):
    """Cross-entropy in which sure answers count less, Lin et al. 2017."""

    gamma: float  # a term counts by (1 - probability) to this power

    def __post_init__(self) -> None:
        within("loss.gamma", self.gamma, 0, 10)
