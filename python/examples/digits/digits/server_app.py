"""The server: Flower's own FedAvg, over a grid that aggregates securely."""

from __future__ import annotations

import json
from pathlib import Path

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from secagg.flower import SecAggGrid

from digits.task import accuracy, fresh_model, from_record, load_test, to_record

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Trains for some rounds and measures the model after each."""
    config = context.run_config
    if config["secure"]:
        grid = SecAggGrid(
            grid,
            max_weight=config["max-weight"],
            metrics={"train-loss": 10.0},
            timeout=config["stage-timeout"],
        )
    nodes = config["num-nodes"]
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes)
    test = load_test()

    def measure(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        return MetricRecord({"accuracy": accuracy(from_record(arrays), test)})

    result = strategy.start(
        grid=grid,
        initial_arrays=to_record(fresh_model()),
        num_rounds=config["num-rounds"],
        timeout=config["round-timeout"],
        evaluate_fn=measure,
    )
    if config["results"]:
        measured = {
            server_round: record["accuracy"]
            for server_round, record in result.evaluate_metrics_serverapp.items()
        }
        losses = {
            server_round: record["train-loss"]
            for server_round, record in result.train_metrics_clientapp.items()
        }
        Path(str(config["results"])).write_text(json.dumps({"accuracy": measured, "train-loss": losses}))
