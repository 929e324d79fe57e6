"""The straight line of one run."""

import dataclasses
from collections.abc import Callable
from functools import partial

from cnnexp import training
from cnnexp.config import ExperimentConfig
from cnnexp.data_check import check, summary
from cnnexp.datasets import Splits, inspect_dataset, trainable_splits
from cnnexp.diagnosis import diagnose, not_assessed
from cnnexp.records import EpochValues, PrunedRun, RunPlan, RunResult
from cnnexp.runs.evaluate_splits import Judged, facts_of, final_metrics, judge
from cnnexp.runs.settings import Setup, build, loss, run_plan, set_up, training_plan
from cnnexp.saved import build_card
from cnnexp.system import resources
from cnnexp.training import Trainer, optimizers, runtime
from cnnexp.training import network as inference
from cnnexp.training.graph_cache import Traces
from cnnexp.training.network import Network

EXAMPLE_IMAGES = 2  # in the model's input example


def run(
    config: ExperimentConfig,
    *,
    name: str,
    on_plan: Callable[[RunPlan], None],
    on_epoch: Callable[[EpochValues], bool],
    on_progress: Callable[[str, int, int], None],
    traces: Traces | None = None,
) -> RunResult | PrunedRun:
    """Train, calibrate, judge and diagnose one model as `config` says.

    `on_plan` is called once before the first update, `on_epoch` after every epoch, and `on_progress` with
    (stage, done, total) while images are read and updates are made. Where `on_epoch` returns true the run is pruned: it
    stops after that epoch and is not evaluated. `traces` are those of earlier runs in this process.

    Raises:
        CnnexpError: see `cnnexp.errors`; everything that can be known before training is raised before it.

    """
    data = config.data
    inspected = inspect_dataset(data, seed=config.seed, on_progress=partial(on_progress, "reading images"), strict=True)
    splits = trainable_splits(inspected, data)
    report = check(inspected, few_images=data.few_images, uneven=data.uneven, labels=False)
    splits = dataclasses.replace(splits, notes=(*splits.notes, *summary(report)))
    setup = set_up(config, splits)
    runtime.configure(threads=setup.threads, seed=config.seed)
    network = Network(build(config, splits, setup, precision=setup.precision))
    plan = run_plan(config, splits, setup, network.model, name)
    on_plan(plan)
    optimizer = optimizers.build(config.optimizer, learning_rate=setup.learning_rate)
    traces = traces or Traces()
    trainer = traces.of(Trainer(network, optimizer, loss(config, splits)))
    history = training.fit(
        trainer,
        training_plan(config, setup),
        train=splits.train,
        validation=splits.validation,
        on_epoch=on_epoch,
        on_update=partial(on_progress, "training"),
    )
    if history.pruned:
        return PrunedRun(history)
    network = _finished(config, splits, setup, trainer.network, traces)
    judged = judge(config, splits, network)
    facts = facts_of(config, splits, plan, history, judged)
    model_file = inference.to_bytes(network.model)
    drawn_up = _contract(splits, setup, judged, network, model_file)
    return RunResult(
        plan=plan,
        settings=dataclasses.asdict(config),
        history=history,
        metrics=final_metrics(history, judged),
        evaluation=judged.evaluation,
        predictions=judged.predictions,
        findings=diagnose(facts),
        notes=(*splits.notes, *judged.notes, *not_assessed(facts)),
        model_file=model_file,
        card=drawn_up.card.as_dict(),
        data_report=report,
        features_file=drawn_up.reference_file,
        example=splits.test.images[splits.test.rows[:EXAMPLE_IMAGES]],
        environment=resources.environment(threads=setup.threads, precision=setup.precision),
    )


def _finished(config: ExperimentConfig, splits: Splits, setup: Setup, trained: Network, traces: Traces) -> Network:
    """Return the network as it is judged and kept: the trained weights, computing in float32."""
    if setup.precision == "float32":
        return trained
    network = traces.of(Network(build(config, splits, setup, precision="float32")))
    network.model.set_weights(trained.model.get_weights())
    return network


def _contract(splits: Splits, setup: Setup, judged: Judged, network: Network, model_file: bytes) -> build_card.Contract:
    return build_card.draw_up(
        splits=splits,
        forward=network.forward,
        model_file=model_file,
        calibration=judged.predictions["calibration"].probabilities,
        statistics=setup.statistics,
        scaling=setup.scaling,
        temperature=judged.temperature,
        versions=resources.versions(),
    )
