"""Plain and secure FedAvg on the digits, over ``flwr run`` and Flower's simulation, in one plot.

    python examples/accuracy.py [--rounds 20] [--out ../docs/flower_accuracy.png]

Needs an environment with ``flwr[simulation]``, ``scikit-learn``, ``matplotlib`` and this package. Both runs start from the same model and
draw the same batches, so what differs is the quantizer's rounding alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from processes import run_app, superlink, wait_for

NODES = 10


def main() -> None:
    """Runs both and draws them."""
    options = _options()
    runs = {
        name: _run(secure, options.rounds)
        for name, secure in (("plain FedAvg", False), ("secure FedAvg", True))
    }
    for name, run in runs.items():
        print(
            f"{name}: accuracy {run['accuracy'][str(options.rounds)]:.4f}, loss {run['train-loss'][str(options.rounds)]:.5f}"
        )
    last = [run["accuracy"][str(options.rounds)] for run in runs.values()]
    assert abs(last[0] - last[1]) < 0.01, "secure aggregation costs accuracy"
    _draw(runs, options.out)


def _run(secure: bool, rounds: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="secagg-") as name:
        directory = Path(name)
        results = directory / "results.json"
        config = {"secure": secure, "num-nodes": NODES, "num-rounds": rounds, "results": str(results)}
        with (
            superlink(directory, "--simulation"),
            run_app(directory, config, "--federation-config", f"num-supernodes={NODES}") as run,
        ):
            wait_for(lambda: results.exists() or run.poll() is not None, 3600, "the end of the run")
        if not results.exists():
            raise SystemExit((directory / "run.log").read_text())
        return json.loads(results.read_text())


def _draw(runs: dict[str, dict[str, dict[str, float]]], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    styles = (("#7f7f7f", "-", 4.0), ("#d1495b", "--", 1.8))
    for (name, run), (colour, line, width) in zip(runs.items(), styles, strict=True):
        for axes, what in ((left, "accuracy"), (right, "train-loss")):
            rounds, values = zip(*((int(key), value) for key, value in run[what].items()), strict=True)
            axes.plot(rounds, values, line, color=colour, linewidth=width, label=name)
    left.set(title="accuracy on digits that no client has", xlabel="round", ylim=(0, 1))
    right.set(title="mean loss of training, averaged under the mask", xlabel="round", ylim=(0, None))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
    figure.savefig(out, dpi=150)


def _options() -> argparse.Namespace:
    default = Path(__file__).parents[2] / "docs" / "flower_accuracy.png"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
