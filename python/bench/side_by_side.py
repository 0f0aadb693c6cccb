"""Flower's own SecAgg+ and ours, in one run, through the same grid: time, bytes, memory, error.

    python bench/side_by_side.py [--clients 50 100] [--parameters 100000 1000000] [--dropped 0.1] [--out table.md]
        [--json side_by_side.json --machine "what it is"]

Each case runs in a process of its own. The clients are real ClientApps with Flower's mod or ours, one at a time; messages and
contexts go through Flower's serialization, and contexts wait on the disk, so the process holds the server and one
client. Times are processor seconds of all threads: what the grid takes is taken off. Clients that drop out do so after they
shared their keys, since Flower's workflow bears it nowhere else. Fails if the largest error of a case is above Flower's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CLIPPING, LEVELS, MAX_WEIGHT, WEIGHT = 8.0, 2**22, 1000.0, 600


def main() -> None:
    """Runs all cases and prints a table."""
    options = _options()
    if options.case:
        print(json.dumps(run_case(**json.loads(options.case))))
        return
    rows = []
    for clients in options.clients:
        for parameters in options.parameters:
            for dropped in options.dropped:
                case = {"clients": clients, "parameters": parameters, "dropped": round(dropped * clients)}
                rows.append((case, {who: _apart(who=who, **case) for who in ("flower", "secagg")}))
                print(_row(*rows[-1]), file=sys.stderr)
    table = "\n".join([HEAD, *(_row(case, found) for case, found in rows)])
    print(table)
    if options.out:
        Path(options.out).write_text(table + "\n")
    if options.json:
        Path(options.json).write_text(_document(options.machine, rows))
    if worse := [case for case, found in rows if found["secagg"]["error"] > found["flower"]["error"]]:
        raise SystemExit(f"the largest error is above Flower's in {worse}")


HEAD = (
    "| clients | shares, threshold | parameters | dropped | | client: share keys | client: mask | server: unmask "
    "| server: all | sent by a client | peak memory | largest error |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def run_case(who: str, clients: int, parameters: int, dropped: int) -> dict[str, float]:
    """Runs one round of one side, in this process."""
    from fleet import act_as_server, legacy_context
    from flwr.common import ndarrays_to_parameters
    from flwr.server.strategy import FedAvg
    from flwr.server.workflow import DefaultWorkflow

    act_as_server()
    model = [np.zeros(parameters, np.float32)]
    strategy = FedAvg(
        initial_parameters=ndarrays_to_parameters(model), fraction_evaluate=0.0,
        min_fit_clients=clients, min_available_clients=clients,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        fleet = _fleet(who, clients, parameters, dropped, Path(directory))
        context = legacy_context(strategy, 1)
        workflow = _workflow(who, fleet, *shares_of(clients))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        DefaultWorkflow(fit_workflow=workflow)(fleet, context)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    (mean,) = [array.numpy() for array in context.state.array_records["parameters"].values()]
    survivors = [node for node in fleet.apps if node not in fleet.vanish]
    expected = np.zeros(parameters)
    for node in survivors:
        expected += _update(node, parameters)
    expected /= len(survivors)
    return {
        "share_keys": _median(fleet, "share_keys"),
        "mask": _median(fleet, "collect_masked_vectors"),
        "unmask": workflow.seconds["unmask_stage"],
        "server": sum(workflow.seconds.values()),
        "bytes": max(fleet.bytes_up[node] for node in survivors),
        "peak": peak * 1024,
        "error": float(np.abs(mean - expected).max()),
    }


def shares_of(clients: int) -> tuple[float | int, float | int]:
    """Complete up to 50 clients, beyond that 51 shares; two thirds of them recover a secret."""
    return (1.0, 0.67) if clients <= 50 else (51, 34)


def _workflow(who: str, fleet, num_shares, threshold):
    from flwr.server.workflow import SecAggPlusWorkflow as Flower
    from secagg.flower import SecAggPlusWorkflow as Ours

    base = {"flower": Flower, "secagg": Ours}[who]

    class Timed(base):
        """Takes the processor time of each stage, without that of the grid."""

        seconds: dict[str, float] = {}

    def timed(name):
        stage = getattr(base, name)

        def run(self, grid, context, state):
            started, in_grid = time.process_time(), fleet.spent
            try:
                return stage(self, grid, context, state)
            finally:
                self.seconds[name] = time.process_time() - started - (fleet.spent - in_grid)

        return run

    for name in ("setup_stage", "share_keys_stage", "collect_masked_vectors_stage", "unmask_stage"):
        setattr(Timed, name, timed(name))
    return Timed(
        num_shares, threshold, max_weight=MAX_WEIGHT, clipping_range=CLIPPING, quantization_range=LEVELS
    )


def _fleet(who: str, clients: int, parameters: int, dropped: int, directory: Path):
    from fleet import Fleet, legacy_app
    from flwr.client.mod import secaggplus_mod as flowers
    from flwr.common.serde import context_from_proto, context_to_proto, message_to_proto
    from flwr.proto.message_pb2 import Context as ProtoContext
    from secagg.flower import secaggplus_mod as ours

    class Contexts(dict):
        """Contexts on the disk, as they would be on other machines."""

        def __setitem__(self, node, context):
            (directory / str(node)).write_bytes(context_to_proto(context).SerializeToString())

        def __getitem__(self, node):
            return context_from_proto(ProtoContext.FromString((directory / str(node)).read_bytes()))

    class Metered(Fleet):
        """Counts what the grid and the clients in it take, and what clients send; remembers no messages."""

        spent = 0.0

        def push_messages(self, messages):
            return self._meter(super().push_messages, messages)

        def pull_messages(self, message_ids):
            replies = self._meter(super().pull_messages, message_ids)
            self.sent.clear(), self.received.clear()
            return replies

        def _meter(self, call, argument):
            started = time.process_time()
            result = call(argument)
            self.spent += time.process_time() - started
            return result

    mod = {"flower": flowers, "secagg": ours}[who]

    def trained(node):
        return lambda arrays: ({"0": np.load(directory / f"{node}.npy")}, WEIGHT, {})

    nodes = [101 + place for place in range(clients)]
    for node in nodes:
        np.save(directory / f"{node}.npy", _update(node, parameters))
    fleet = Metered([legacy_app(trained(node), [mod]) for node in nodes])
    fleet.bytes_up = dict.fromkeys(nodes, 0)
    contexts = Contexts()
    for node, context in fleet.contexts.items():
        contexts[node] = context
    fleet.contexts = contexts
    fleet.vanish = dict.fromkeys(nodes[:dropped], "collect_masked_vectors")

    def weigh(node, stage, reply):
        fleet.bytes_up[node] += message_to_proto(reply).ByteSize()
        return reply

    fleet.tamper = weigh
    return fleet


def _update(node: int, parameters: int) -> np.ndarray:
    return np.random.default_rng(node).normal(0, 0.05, parameters).astype(np.float32)


def _median(fleet, stage: str) -> float:
    return float(np.median([seconds for (_, at), seconds in fleet.seconds.items() if at == stage]))


def _apart(**case) -> dict[str, float]:
    """A case in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _row(case: dict[str, int], found: dict[str, dict[str, float]]) -> str:
    shares, threshold = shares_of(case["clients"])
    shares = "all" if shares == 1.0 else shares
    same = f"| {case['clients']} | {shares}, {threshold} | {case['parameters']:,} | {case['dropped']} "
    return "\n".join(
        [same + _cells("Flower", found["flower"]), "| | | | " + _cells("secagg", found["secagg"])]
    )


def _document(machine: str, rows: list) -> str:
    """What was measured as JSON, for `cargo xtask figures`: seconds and bytes as they are."""
    cases = [{**case, "found": found} for case, found in rows]
    return json.dumps({"machine": machine, "flower": version("flwr"), "cases": cases}, indent=2) + "\n"


def _cells(who: str, found: dict[str, float]) -> str:
    return (
        f"| {who} | {_seconds(found['share_keys'])} | {_seconds(found['mask'])} | {_seconds(found['unmask'])} "
        f"| {_seconds(found['server'])} | {found['bytes'] / 1e6:.2f} MB | {found['peak'] / 1e6:.0f} MB | {found['error']:.1e} |"
    )


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--parameters", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--dropped", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--out", help="a file for the table")
    parser.add_argument("--json", help="a file for what was measured, as JSON")
    parser.add_argument("--machine", default="an unnamed machine", help="what it is measured on, in words, for --json")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
