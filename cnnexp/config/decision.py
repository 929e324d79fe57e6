from cnnexp.config.setting import setting, settings, within
from cnnexp.errors import ConfigError

RULES = ("sensitivity", "precision", "cost")


@settings
class DecisionConfig:
    """From which probability on one of two classes is answered; as it stands, the most probable one is."""

    positive: str | None = setting(column="if set", neutral=None)  # the class; None: the most probable one is answered
    sensitivity: float | None = setting(column="if set", neutral=None)  # share of its images to recognize
    precision: float | None = setting(column="if set", neutral=None)  # share of its answers that are to be right
    cost: float | None = setting(column="if set", neutral=None)  # of a missed image of it, in false alarms

    def __post_init__(self) -> None:
        within("decision.sensitivity", self.sensitivity, 0, 1, above=True, below=True)
        within("decision.precision", self.precision, 0, 1, above=True, below=True)
        within("decision.cost", self.cost, 0, above=True)
        wishes = [f"decision.{rule}={getattr(self, rule):g}" for rule in RULES if getattr(self, rule) is not None]
        if self.positive is None and wishes:
            raise ConfigError(
                f"{wishes[0]} is about one of two classes, and decision.positive says which; it is null. "
                "Add decision.positive=CLASS."
            )
        if self.positive is not None and len(wishes) != 1:
            got = " and ".join(wishes) or "none"
            raise ConfigError(
                "decision.positive needs exactly one of decision.sensitivity, decision.precision and decision.cost, by "
                f"which its threshold is chosen; got {got}. For example: decision.sensitivity=0.95."
            )

    @property
    def rule(self) -> tuple[str, float] | None:
        """What a threshold is chosen for, such as ``("sensitivity", 0.95)``; None: there is none."""
        return next(((rule, getattr(self, rule)) for rule in RULES if getattr(self, rule) is not None), None)
