"""A round over a large model, plain and secure: processor seconds, wall clock and peak memory of the whole process.

    python bench/large_model.py [--parameters 20000000 100000000] [--arrays 1] [--clients 3] [--serialize]

One round of FedAvg through the in-memory grid of the tests, one client at a time: without us, with `SecAggGrid`, and with
`SecAggWorkflow` beside plain FedAvg of the legacy API. Contexts go through Flower's serialization, and messages only with
--serialize: it takes ten times as long as the rest of a plain round, and so hides what is added. Each case runs in a process of its
own. Its peak is that of the process, interpreter and libraries included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CASES = {"FedAvg": None, "SecAggGrid": "FedAvg", "legacy FedAvg": None, "SecAggWorkflow": "legacy FedAvg"}
"""The cases, and the plain one that each is compared with."""

HEAD = (
    "| parameters | | processor | ratio | wall clock | peak memory | ratio |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    """Runs all cases and prints a table."""
    options = _options()
    if options.case:
        given = options.parameters[0], options.arrays, options.clients, options.serialize
        print(json.dumps(run_case(options.case, *given)))
        return
    print(HEAD)
    for parameters in options.parameters:
        found: dict[str, dict[str, float]] = {}
        for case, plain in CASES.items():
            found[case] = _apart(case, parameters, options)
            print(_row(case, parameters, found[case], found.get(plain or "")), flush=True)


def run_case(case: str, parameters: int, arrays: int, clients: int, serialize: bool) -> dict[str, float]:
    """Runs one round in this process. The mean is checked."""
    from fleet import act_as_server

    act_as_server()
    model = np.array_split(np.zeros(parameters, np.float32), arrays)
    prepare = _legacy if "legacy FedAvg" in (case, CASES[case]) else _message_api
    run = prepare(case, model, clients, serialize)
    processor, wall = time.process_time(), time.monotonic()
    mean = run()
    found = {"processor": time.process_time() - processor, "wall": time.monotonic() - wall}
    assert all(abs(array - 0.25).max() < 1e-4 for array in mean)
    # Of the process itself: its usage begins with its parent's.
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return {**found, "peak": 1024 * float(peak.split()[1])}


def _message_api(case: str, model: list[np.ndarray], clients: int, serialize: bool) -> Callable[[], list[np.ndarray]]:
    from fleet import message_app, moved_by
    from flwr.app import ArrayRecord
    from flwr.serverapp.strategy import FedAvg
    from secagg.flower import SecAggGrid, secagg_mod

    is_plain = CASES[case] is None
    mods = [] if is_plain else [secagg_mod]
    fleet = _fleet([message_app(moved_by(0.25, weight=1000), mods) for _ in range(clients)], serialize)
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
    grid = fleet if is_plain else SecAggGrid(fleet)
    record = ArrayRecord(model, keep_input=False)
    return lambda: strategy.start(grid=grid, initial_arrays=record, num_rounds=1).arrays.to_numpy_ndarrays()


def _legacy(case: str, model: list[np.ndarray], clients: int, serialize: bool) -> Callable[[], list[np.ndarray]]:
    from fleet import legacy_app, legacy_context, moved_by
    from flwr.common import ndarrays_to_parameters
    from flwr.server.strategy import FedAvg
    from flwr.server.workflow import DefaultWorkflow
    from secagg.flower import SecAggWorkflow, secagg_mod

    is_plain = CASES[case] is None
    mods = [] if is_plain else [secagg_mod]
    fleet = _fleet([legacy_app(moved_by(0.25, weight=1000), mods) for _ in range(clients)], serialize)
    strategy = FedAvg(
        initial_parameters=ndarrays_to_parameters(model), fraction_evaluate=0.0,
        min_fit_clients=clients, min_available_clients=clients,
    )  # fmt: skip
    context = legacy_context(strategy)
    workflow = None if is_plain else SecAggWorkflow(0.67)

    def run() -> list[np.ndarray]:
        DefaultWorkflow(fit_workflow=workflow)(fleet, context)
        return context.state.array_records["parameters"].to_numpy_ndarrays()

    return run


def _fleet(apps: list, serialize: bool):
    """A fleet that remembers no messages."""
    import fleet as module

    if not serialize:
        module._through_bytes = lambda message: message

    class Forgotten(list):
        """A list that stays empty."""

        def append(self, message):
            pass

    fleet = module.Fleet(apps)
    fleet.sent, fleet.received = Forgotten(), Forgotten()
    return fleet


def _apart(case: str, parameters: int, options: argparse.Namespace) -> dict[str, float]:
    """A case in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--case", case, "--parameters", str(parameters)]
    command += ["--arrays", str(options.arrays), "--clients", str(options.clients)]
    command += ["--serialize"] * options.serialize
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _row(case: str, parameters: int, found: dict[str, float], plain: dict[str, float] | None) -> str:
    def ratio(value: str) -> str:
        return f"{found[value] / plain[value]:.1f}" if plain else ""

    return (
        f"| {parameters:,} | {case} | {found['processor']:.1f} s | {ratio('processor')} "
        f"| {found['wall']:.1f} s | {found['peak'] / 1e9:.2f} GB | {ratio('peak')} |"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parameters", type=int, nargs="+", default=[20_000_000, 100_000_000])
    parser.add_argument("--arrays", type=int, default=1, help="arrays that the parameters are split into")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--serialize", action="store_true", help="send messages through Flower's serialization")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
