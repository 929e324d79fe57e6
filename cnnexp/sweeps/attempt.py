"""One run of a sweep, its current attempt, and the record of that."""

from collections.abc import Mapping
from dataclasses import dataclass

from cnnexp.compose import beside, columns, to_yaml
from cnnexp.config import ExperimentConfig
from cnnexp.records import RunPlan
from cnnexp.sweeps.jobs import Job
from cnnexp.sweeps.parent import Parent, Past, in_words
from cnnexp.tracking.delivery import KEY_TAG
from cnnexp.tracking.held import HeldRecord


@dataclass(slots=True)
class Run:
    """What the sweep knows of a run that is not done."""

    job: Job
    identity: str
    config: ExperimentConfig  # of the job, with threads and precision decided
    digest: str  # of its data
    attempt: int = 0
    began: float = 0.0  # monotonic seconds
    plan: RunPlan | None = None
    _record: HeldRecord | None = None

    @property
    def threads(self) -> int:
        """Cores it computes on."""
        return int(self.config.training.threads)

    @property
    def record(self) -> HeldRecord:
        """Of the current attempt, once it has begun."""
        assert self._record is not None
        return self._record

    def begin_record(self, parent: Parent, past: Past) -> None:
        """Begin a record under the parent; it replaces that of an earlier command in which the run was broken."""
        config = self.job.config
        broken = past.broken.get(in_words(self.job.varied))
        self._record = HeldRecord.begin(
            config.tracking,
            run_name=self.job.name,
            parameters=columns(config, self.job.words),
            config_yaml=to_yaml(config),
            tags={
                **parent.tags(varied=self.job.varied, identity=self.identity),
                **beside(config, self.job.words),
            },
            commit=parent.commit,
            replaces=broken.tags[KEY_TAG] if broken is not None else None,
        )

    def end_record(self, status: str, tags: Mapping[str, str], traceback: str | None) -> None:
        """Record how the run ended, and after how many attempts."""
        files = {} if traceback is None else {"traceback.txt": traceback.encode()}
        attempts = {"attempts": str(self.attempt)} if self.attempt > 1 else {}
        self.record.add(tags={**tags, **attempts}, files=files)
        self.record.end(status)
