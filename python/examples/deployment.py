"""The example over a real SuperLink and several SuperNodes on this machine, one of which is killed while it trains.

    python examples/deployment.py [--nodes 5] [--rounds 4]

Needs an environment with ``flwr``, ``scikit-learn`` and this package. It checks that the round in which the node dies gives
the mean of the others, that the rounds after it run, and that the model has learned.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

from processes import free_ports, log, process, run_app, superlink, wait_for

STAGES = 4
"""Messages to each node in one round."""

TRAINING = 3
"""Which of them has it train."""


def main() -> None:
    """Starts everything, kills one, waits for the end and checks."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="secagg-") as name, ExitStack() as stack:
        directory = options.logs or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        port = stack.enter_context(superlink(directory))
        nodes = [
            stack.enter_context(_supernode(directory, place, options.nodes, port))
            for place in range(options.nodes)
        ]
        for place in range(options.nodes):
            wait_for(
                lambda place=place: "SuperNode ID" in log(directory, f"node{place}"), 120, f"node {place}"
            )
        run = stack.enter_context(run_app(directory, _config(directory, options)))
        victim = options.nodes - 1
        wait_for(lambda: _messages(directory, victim) >= STAGES + TRAINING, 600, "training in round 2")
        print(f"node {victim} trains in round 2, and is killed", flush=True)
        os.killpg(nodes[victim].pid, signal.SIGKILL)
        wait_for(
            lambda: run.poll() is not None or (directory / "results.json").exists(), 900, "the end of the run"
        )
        wait_for(lambda: run.poll() is not None or len(_means(directory)) == options.rounds, 60, "its log")
        _check(directory, options)


def _supernode(directory: Path, place: int, nodes: int, superlink: int):
    (port,) = free_ports(1)
    return process(
        directory, f"node{place}", "flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{superlink}",
        "--port", str(port), "--node-config", f"partition-id={place} num-partitions={nodes}",
    )  # fmt: skip


def _config(directory: Path, options: argparse.Namespace) -> dict[str, object]:
    return {
        "num-nodes": options.nodes - 1,
        "num-rounds": options.rounds,
        "slow": 5.0,
        "stage-timeout": 60.0,
        "round-timeout": 240.0,
        "results": str(directory / "results.json"),
    }


def _messages(directory: Path, place: int) -> int:
    return log(directory, f"node{place}").count("Receiving: train message")


def _check(directory: Path, options: argparse.Namespace) -> None:
    means = _means(directory)
    accuracy = list(json.loads((directory / "results.json").read_text())["accuracy"].values())
    for server_round, (got, asked) in enumerate(means, 1):
        print(
            f"round {server_round}: the mean of {got} of {asked} clients, accuracy {accuracy[server_round]:.3f}"
        )
    nodes, rounds = options.nodes, options.rounds
    assert len(means) == rounds, f"{len(means)} of {rounds} rounds have a result:\n{log(directory, 'run')}"
    assert means[0] == (nodes, nodes), "all nodes are in the first round"
    assert means[1] == (nodes - 1, nodes), "the killed node is not in the second round, and the others are"
    assert all(got == nodes - 1 for got, _ in means[2:]), "the others go on"
    assert accuracy[-1] > accuracy[0] + 0.3, "the model has learned"
    print("The round bore the loss of a node, and so did those after it.")


def _means(directory: Path) -> list[tuple[int, int]]:
    """How many of how many clients are in the mean of each round, by the log."""
    found = re.findall(r"the mean of (\d+) of (\d+) clients", log(directory, "run"))
    return [(int(got), int(asked)) for got, asked in found]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--logs", type=Path, help="an empty directory in which logs stay")
    return parser.parse_args()


if __name__ == "__main__":
    main()
