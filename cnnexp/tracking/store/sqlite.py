"""Reading an MLflow store in SQLite directly: all SQL on MLflow's tables is here.

Importing MLflow's client and its SQL store takes longer than a comparison may (2.6 s against 0.02 s, 30 runs). The
queries are for the schemas listed here; any other is left to the client, see `find_runs.ask`.
"""

import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from cnnexp.tracking.store.stored_run import CURVES, Locations, StoredRun
from cnnexp.tracking.tags import PARENT

# The schemas that the queries have been tested with, by the last migration of MLflow's store (its alembic_version).
KNOWN_SCHEMAS = {
    "71994744cf8e": "MLflow 3.4",
    "bf29a5ff90ea": "MLflow 3.5 to 3.7",
    "1bd49d398cd23": "MLflow 3.8",
    "d3e4f5a6b7c8": "MLflow 3.9",
    "1b5f0d9ad7c1": "MLflow 3.10",
    "c3d6457b6d8a": "MLflow 3.11",
    "7d34483879f0": "MLflow 3.12",
    "da6fb0208061": "MLflow 3.13",
    "b7e4c1a90f23": "MLflow 3.14",
    "6f8d9c3b2a1e": "MLflow 3.15",
    "b7e2c1a4d9f3": "MLflow 3.16",
    "dc11669786a5": "MLflow 3.17",
}

_SCHEMA = "SELECT version_num FROM alembic_version"
_RUNS = """
    SELECT r.run_uuid, r.name, e.name, r.status, r.start_time, r.end_time, r.artifact_uri
    FROM runs r JOIN experiments e USING (experiment_id)
    WHERE r.lifecycle_stage = 'active' AND {where} ORDER BY r.start_time DESC, r.run_uuid
"""
_CHOSEN = "SELECT r.run_uuid FROM runs r JOIN experiments e USING (experiment_id) WHERE {where}"
_PARAMS = "SELECT run_uuid, key, value FROM params WHERE run_uuid IN ({chosen})"
_TAGS = "SELECT run_uuid, key, value FROM tags WHERE run_uuid IN ({chosen})"
_METRICS = (
    "SELECT run_uuid, key, CASE WHEN is_nan THEN NULL ELSE value END FROM latest_metrics WHERE run_uuid IN ({chosen})"
)
_DATASETS = """
    SELECT i.destination_id, d.digest, d.dataset_source FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
    WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id IN ({chosen})
"""
_CURVES = """
    SELECT key, step, CASE WHEN is_nan THEN NULL ELSE value END FROM metrics
    WHERE run_uuid = ? AND key IN ({marks}) ORDER BY key, step, timestamp
"""


# The newest model of a run: a run that was continued may have logged one before.
_LOCATIONS = """
    SELECT r.artifact_uri, m.artifact_location FROM runs r
    LEFT JOIN logged_models m ON m.source_run_id = r.run_uuid AND m.lifecycle_stage = 'active'
    WHERE r.run_uuid = ? ORDER BY m.creation_timestamp_ms DESC LIMIT 1
"""


class SqliteStore:
    """A `RunStore` over an SQLite file; raises sqlite3.OperationalError when it has other tables, or is busy."""

    def __init__(self, path: Path) -> None:
        self._address = f"{path.resolve().as_uri()}?mode=ro"

    def has_known_schema(self) -> bool:
        """Return whether the queries fit the tables."""
        return {version for (version,) in self._rows(_SCHEMA)} <= KNOWN_SCHEMAS.keys()

    def with_id(self, beginning: str) -> Sequence[StoredRun]:
        """Runs whose id begins with this text."""
        return self._select("substr(r.run_uuid, 1, length(?1)) = ?1", beginning)

    def named(self, name: str) -> Sequence[StoredRun]:
        """Runs of this name."""
        return self._select("r.name = ?1", name)

    def children(self, run_id: str) -> Sequence[StoredRun]:
        """The runs of a sweep."""
        return self._select(f"r.run_uuid IN (SELECT run_uuid FROM tags WHERE key = '{PARENT}' AND value = ?1)", run_id)

    def in_experiment(self, name: str) -> Sequence[StoredRun]:
        """All runs of an experiment."""
        return self._select("e.name = ?1", name)

    def tagged(self, name: str, value: str) -> Sequence[StoredRun]:
        """Runs with this value of a tag."""
        return self._select(
            "r.run_uuid IN (SELECT run_uuid FROM tags WHERE key || '=' || value = ?1)", f"{name}={value}"
        )

    def newest(self) -> Sequence[StoredRun]:
        """The run started last."""
        last = "SELECT run_uuid FROM runs WHERE lifecycle_stage = ?1 ORDER BY start_time DESC, run_uuid LIMIT 1"
        return self._select(f"r.run_uuid IN ({last})", "active")

    def experiments(self) -> Sequence[str]:
        """Names of all experiments."""
        return [name for (name,) in self._rows("SELECT name FROM experiments WHERE lifecycle_stage = ?", "active")]

    def curves(self, run_id: str) -> Mapping[str, tuple[tuple[int, float], ...]]:
        """Every value of the metrics in ``CURVES``."""
        found: dict[str, list[tuple[int, float]]] = {}
        for name, step, value in self._rows(_CURVES.format(marks=", ".join("?" * len(CURVES))), run_id, *CURVES):
            found.setdefault(name, []).append((step, math.nan if value is None else value))
        return {name: tuple(points) for name, points in found.items()}

    def locations(self, run_id: str) -> Locations:
        """Where the files of a run are."""
        ((artifacts, model),) = self._rows(_LOCATIONS, run_id)
        return Locations(artifacts, model)

    def _rows(self, query: str, *values: str) -> list[tuple]:  # type: ignore[type-arg]
        with closing(sqlite3.connect(self._address, uri=True, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()

    def _select(self, where: str, value: str) -> Sequence[StoredRun]:
        chosen = _CHOSEN.format(where=where)
        params, tags, metrics, datasets = (
            _by_run(self._rows(query.format(chosen=chosen), value)) for query in (_PARAMS, _TAGS, _METRICS, _DATASETS)
        )
        return [
            StoredRun(
                run_id=run_id,
                name=name,
                experiment=experiment,
                status=status,
                started_ms=started,
                ended_ms=ended,
                artifact_uri=artifacts,
                params=params.get(run_id, {}),
                metrics={key: math.nan if v is None else float(v) for key, v in metrics.get(run_id, {}).items()},
                tags=tags.get(run_id, {}),
                datasets=tuple(sorted(datasets.get(run_id, {}).items())),
            )
            for run_id, name, experiment, status, started, ended, artifacts in self._rows(
                _RUNS.format(where=where), value
            )
        ]


def _by_run(rows: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run_id, key, value in rows:
        found.setdefault(run_id, {})[key] = value
    return found
