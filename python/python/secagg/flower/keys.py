"""The key under which a client's state is sealed between two messages.

Flower handles each message of a client in whatever process is at hand: a fresh one for each message under a
SuperNode, any worker of a simulation. What a client must remember from one stage to the next therefore lives in
``Context.state``. It holds the secrets of the round, and Flower keeps it in the SuperNode's memory and sends it to the
ClientApp and back for each message, by default without encryption; so it is sealed. Its key is a file on the
client's side, which Flower never sees:

1. the file that the node's configuration names: ``flower-supernode --node-config 'secagg-state-key="/run/secrets/key"'``,
2. or the environment variable ``SECAGG_STATE_KEY``,
3. or ``$XDG_STATE_HOME/secagg/state.key`` (``~/.local/state/secagg/state.key``).

A file that is not there is made, readable by its owner alone. It holds 32 random bytes, and serves any number of
rounds, runs and nodes of its owner. Processes that handle messages of one client on several machines need the
same file, or the same copy of it.

*This protects against* whoever sees the state and not the file: on the wire between SuperNode and ClientApp, in the SuperNode's
memory or a dump of it, in a log of contexts. *It does not protect against* the same user of the machine, nor, in a
simulation, against the server, which runs there too; a simulation has nothing to hide. A state that is put back
would have the client answer again, with the same secrets, about other survivors: the SuperNode must not keep old ones.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flwr.app import Context

from secagg import Misuse, StateKey

NODE_CONFIG = "secagg-state-key"
VARIABLE = "SECAGG_STATE_KEY"
LENGTH = 32


def state_key(context: Context) -> StateKey:
    """The state key of the node whose context this is; made where there is none.

    Raises
    ------
    Misuse
        If the file cannot be made or read, or does not hold 32 bytes, or others may read it.
    """
    path = _path(context)
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise Misuse(
            f"the state key cannot be kept: {error}. Name a file that this process may write by the environment "
            f"variable {VARIABLE}, or by the node's configuration {NODE_CONFIG!r}"
        ) from error


def _path(context: Context) -> Path:
    if named := context.node_config.get(NODE_CONFIG) or os.environ.get(VARIABLE):
        return Path(str(named))
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "secagg" / "state.key"


def _make(path: Path) -> None:
    """Makes the file whole or not at all; of two processes that try, one wins, and both read the same."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(LENGTH))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path) -> StateKey:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise Misuse(f"the state key {path} can be read by others: chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != LENGTH:
        raise Misuse(f"the state key {path} must hold {LENGTH} bytes, and holds {len(key)}")
    return StateKey(key)
