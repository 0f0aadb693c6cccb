"""What all tests of this package share."""

from importlib.util import find_spec

import pytest


@pytest.fixture(autouse=True)
def state_key(tmp_path, monkeypatch):
    """Clients of a test keep their state under a key of that test."""
    path = tmp_path / "state.key"
    monkeypatch.setenv("SECAGG_STATE_KEY", str(path))
    return path


@pytest.fixture(autouse=True)
def task_identity():
    """Flower makes no message in a process that does not know which run it is in."""
    if find_spec("flwr") is not None:
        from fleet import act_as_server

        act_as_server()
