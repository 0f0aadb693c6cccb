"""Flower's programs as processes of a script: their own ports, files and groups, ended when the script ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

APP = Path(__file__).parent / "digits"
BIN = Path(sys.executable).parent


@contextmanager
def superlink(directory: Path, *more: str) -> Iterator[int]:
    """A SuperLink, and ``flwr`` configured for it; gives its port. Apps run in the environment of this script."""
    (port,) = free_ports(1)
    arguments = [
        "--insecure",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--disable-runtime-dependency-installation",
    ]
    with process(directory, "superlink", "flower-superlink", *arguments, *more):
        _configure(directory, port)
        wait_for(lambda: _answers(port), 120, "the SuperLink")
        yield port


def run_app(directory: Path, config: dict[str, object], *more: str):
    """``flwr run`` of the example; gives the process."""
    text = " ".join(f"{name}={json.dumps(value)}" for name, value in config.items())
    arguments = ["run", str(APP), "here", "--stream", "--run-config", text, *more]
    return process(directory, "run", "flwr", *arguments)


@contextmanager
def process(directory: Path, name: str, program: str, *arguments: str):
    """A process in a group of its own, which is killed in the end."""
    environment = {
        **os.environ,
        "FLWR_HOME": str(directory / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "SECAGG_STATE_KEY": str(directory / "state.key"),
    }
    with open(directory / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            [str(BIN / program), *arguments], stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def log(directory: Path, name: str) -> str:
    """What a process has said so far."""
    path = directory / f"{name}.log"
    return path.read_text(errors="replace") if path.exists() else ""


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits until something is so, or ends the script."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds} seconds for {what}")
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def _configure(directory: Path, port: int) -> None:
    """Tells ``flwr run`` where the SuperLink is."""
    home = directory / "flwr"
    home.mkdir(exist_ok=True)
    text = (
        f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    (home / "config.toml").write_text(text)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
