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

A file that is there must belong to this process's user or to root, since its owner could choose the
key, and have mode 0600 or less. Two cases are taken all the same, in which a platform has mounted
the file and `chmod` is of no use: root has given it to a group of this process, which may read it
(mode 0440, as Kubernetes sets it under an ``fsGroup``); or it lies on a file system that is mounted
read-only (mode 0444 too). There it is the platform that keeps others away.

*This protects against* whoever sees the state and not the file: on the wire between SuperNode and ClientApp, in the SuperNode's
memory or a dump of it, in a log of contexts. *It does not protect against* the same user of the machine, nor, in a
simulation, against the server, which runs there too; a simulation has nothing to hide. A state that is put back
would have the client answer again, with the same secrets, about other survivors: the SuperNode must not keep old ones.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from flwr.app import Context

from secagg import Misuse, StateKey

NODE_CONFIG = "secagg-state-key"
VARIABLE = "SECAGG_STATE_KEY"
LENGTH = 32

LOOKS, PAUSE = 50, 0.02
"""How often, and after how many seconds, to look again at a file that another process has yet to
fill."""


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
    _write(draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # The file system has no hard links.
        _make_without_links(path)
    finally:
        draft.unlink()


def _make_without_links(path: Path) -> None:
    """Makes the file under its own name, where another process may see it before it is whole: it
    then waits."""
    try:
        _write(path)
    except FileExistsError:
        pass


def _write(path: Path) -> None:
    """Writes a new key to a file that must not be there."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(LENGTH))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> StateKey:
    if os.name == "posix":
        _check_access(path)
    key = path.read_bytes()
    for _ in range(LOOKS):
        if key:
            break
        time.sleep(PAUSE)
        key = path.read_bytes()
    if len(key) != LENGTH:
        raise Misuse(
            f"the state key {path} must hold {LENGTH} bytes, and holds {len(key)}. Remove the file to have one made, or write "
            f"{LENGTH} random bytes to it: head -c {LENGTH} /dev/urandom > {path}"
        )
    return StateKey(key)


def _check_access(path: Path) -> None:
    """Refuses a key that others may have chosen, or may know.

    Raises
    ------
    Misuse
        Which says what to do.
    """
    found = path.stat()
    way_out = f"Or copy it to a file of mode 600 of this process's user, and name that by {VARIABLE} or {NODE_CONFIG!r}"
    if os.geteuid() not in (0, found.st_uid) and found.st_uid != 0:
        raise Misuse(
            f"the state key {path} belongs to user {found.st_uid}, who is neither root nor this process's user: "
            f"chown {os.geteuid()} {path}. {way_out}"
        )
    refused = 0o077
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        refused = 0
    elif _is_mounted_for_group(found):
        refused = 0o037
    if found.st_mode & refused:
        raise Misuse(f"the state key {path} can be read by others: chmod 600 {path}. {way_out}")


def _is_mounted_for_group(found: os.stat_result) -> bool:
    """Whether root gave the file to a group of this process."""
    return found.st_uid == 0 and found.st_gid in {os.getegid(), *os.getgroups()}
