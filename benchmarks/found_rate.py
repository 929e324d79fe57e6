"""Validation accuracy at the learning rate that `optimizer.learning_rate=auto` finds, beside rates set by hand.

    python benchmarks/found_rate.py --models small baseline --optimizers adam sgd rmsprop adamw muon
    python benchmarks/found_rate.py data=fashion_mnist data.limit=1500 training.epochs=5 --models small

Every network is trained once at each rate, with the same seed, so a few points of difference are chance.
"""

import argparse
import math

import measuring

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)


def best_accuracy(overrides: list[str], graphs: object) -> tuple[float, float]:
    """Return the best validation accuracy of a run, and its learning rate; 0 for one whose loss is not finite."""
    from cnnexp.compose import compose_config
    from cnnexp.errors import NonFiniteLossError
    from cnnexp.runs import experiment

    used: list[float] = []
    try:
        result = experiment.run(
            compose_config(overrides),
            pretrained=None,
            name="found_rate",
            on_start=lambda info: used.append(info.learning_rate),
            on_epoch=lambda _: False,
            on_progress=lambda *_: None,
            graphs=graphs,
        )
    except NonFiniteLossError:
        return 0.0, used[0]
    return max(epoch.val_accuracy for epoch in result.history.epochs), used[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overrides", nargs="*", help="of all runs")
    parser.add_argument("--models", nargs="+", default=["small"])
    parser.add_argument("--optimizers", nargs="+", default=["adam", "sgd", "rmsprop", "adamw", "muon"])
    parser.add_argument("--rates", nargs="+", type=float, default=RATES)
    asked = parser.parse_args()
    print(measuring.machine())
    from cnnexp.training import GraphCache

    graphs = GraphCache()
    for model in asked.models:
        for optimizer in asked.optimizers:
            common = [f"model={model}", f"optimizer={optimizer}", "training.threads=1", *asked.overrides]
            reached, found = best_accuracy([*common, "optimizer.learning_rate=auto"], graphs)
            by_hand = {
                rate: best_accuracy([*common, f"optimizer.learning_rate={rate}"], graphs)[0] for rate in asked.rates
            }
            best = max(by_hand, key=lambda rate: by_hand[rate])
            as_good = [rate for rate in by_hand if by_hand[rate] >= reached]
            print(
                f"{model:12} {optimizer:8} found {found:<8.2g} accuracy {reached:.3f}   best by hand {best:<6g} "
                f"{by_hand[best]:.3f}   {len(as_good)} of {len(by_hand)} rates are as good; the found one is "
                f"{math.log10(found / best):+.1f} decades from the best",
                flush=True,
            )


if __name__ == "__main__":
    main()
