"""Flower's own simulation: its in-memory grid and Ray, where each message of a client is handled by any worker."""

import numpy as np
import pytest
from fleet import legacy_app, message_app, moved_by
from flwr.app import Array, ArrayRecord
from flwr.common import ndarrays_to_parameters
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg as LegacyFedAvg
from flwr.server.workflow import DefaultWorkflow
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from secagg.flower import SecAggGrid, SecAggPlusWorkflow, secagg_mod, secaggplus_mod

pytest.importorskip("ray")

NODES, ROUNDS = 5, 2
MODEL = np.linspace(-1, 1, 1000, dtype=np.float32)
ERROR = ROUNDS * (2 * 8 / (2**22 - 1) * 1000 / 10 + 1e-6)
BACKEND = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": {"num_cpus": 2}}


def simulate(main, client_app):
    server_app = ServerApp()
    server_app.main()(main)
    run_simulation(server_app, client_app, NODES, backend_config=BACKEND)


def test_an_app_of_the_message_api():
    found = {}

    def main(grid, context):
        strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=NODES, min_available_nodes=NODES)
        arrays = ArrayRecord({"w": Array(MODEL)})
        result = strategy.start(grid=SecAggGrid(grid), initial_arrays=arrays, num_rounds=ROUNDS)
        found["w"] = result.arrays["w"].numpy()

    simulate(main, message_app(moved_by(0.25), [secagg_mod]))
    np.testing.assert_allclose(found["w"], MODEL + ROUNDS * 0.25, atol=ERROR)


def test_an_app_of_the_legacy_api():
    found = {}

    def main(grid, context):
        strategy = LegacyFedAvg(
            initial_parameters=ndarrays_to_parameters([MODEL]), min_fit_clients=NODES,
            min_available_clients=NODES, fraction_evaluate=0.0,
        )  # fmt: skip
        context = LegacyContext(context, config=ServerConfig(num_rounds=ROUNDS), strategy=strategy)
        DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(3, 2, timeout=60))(grid, context)
        found["w"] = context.state.array_records["parameters"]["0"].numpy()

    simulate(main, legacy_app(moved_by(0.25), [secaggplus_mod]))
    np.testing.assert_allclose(found["w"], MODEL + ROUNDS * 0.25, atol=ERROR)
