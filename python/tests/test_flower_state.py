"""What a client remembers between two messages, and under which key."""

import os
import stat
from types import SimpleNamespace

import numpy as np
import pytest
from fleet import RUN, Fleet, context_of, message_app, moved_by
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from secagg import Misuse, RestoreError
from secagg.flower import SecAggGrid, keys, secagg_mod
from secagg.flower.round import Round
from secagg.flower.settings import Settings

STATE = "secagg.state"


def fleet(mods=(secagg_mod,), **more):
    return Fleet([message_app(moved_by(0.25), list(mods)) for _ in range(5)], **more)


def run(clients, threshold=3):
    content = RecordDict(
        {"arrays": ArrayRecord({"w": Array(np.zeros(1000, np.float32))}), "config": ConfigRecord()}
    )
    grid = SecAggGrid(clients, threshold)
    replies = grid.send_and_receive([Message(content, node, "train") for node in clients.apps])
    return [reply for reply in replies if reply.has_content()]


def test_no_secret_of_the_round_is_in_clear_in_the_context(state_key):
    """A share, once revealed, is known; looked for in what the clients remembered before."""
    seen = {}

    def look(node, stage, reply):
        seen[stage, node] = bytes(clients.contexts[node].state[STATE].get("sealed", b""))
        if stage == "unmask":
            answer = reply.content["secagg"]["message"]
            shares = [answer[at + 1 : at + 33] for at in range(22, len(answer), 33)]
            assert len(shares) == 4
            assert all(
                share not in seen[early, node]
                for share in shares
                for early in ("share_keys", "collect_masked_vectors")
            )
        return reply

    clients = fleet(tamper=look)
    assert len(run(clients)) == 5
    assert all(seen[stage, 101] for stage in ("setup", "share_keys", "collect_masked_vectors"))


def test_nothing_secret_is_left_after_the_round():
    clients = fleet()
    run(clients)
    for context in clients.contexts.values():
        assert set(context.state[STATE]) == {"session", "trained"}


def test_nothing_secret_is_left_after_a_refusal():
    clients = fleet()
    clients.apps[101] = message_app(moved_by(float("nan")), [secagg_mod])
    assert len(run(clients)) == 4
    assert set(clients.contexts[101].state[STATE]) == {"session", "trained"}


def test_a_client_that_lost_its_state_drops_out():
    def forget(node, stage, reply):
        if node == 102 and stage == "share_keys":
            clients.contexts[node] = context_of(node)
        return reply

    clients = fleet(tamper=forget)
    assert len(run(clients)) == 4


def test_a_state_under_another_key_is_not_taken(state_key):
    def change(node, stage, reply):
        if stage == "share_keys":
            state_key.write_bytes(os.urandom(32))
        return reply

    clients = fleet(tamper=change)
    assert not run(clients)
    reasons = [reply.error.reason for _, _, reply in clients.received if reply.has_error()]
    assert reasons and all(RestoreError.__name__ in reason for reason in reasons)


def test_the_next_round_begins_whatever_was_left_of_the_last():
    clients = fleet(vanish=dict.fromkeys([101, 102, 103], "collect_masked_vectors"))
    assert not run(clients)
    clients.vanish.clear(), clients.gone.clear()
    assert len(run(clients)) == 5


def test_the_same_question_gets_the_same_answer_and_an_older_one_none():
    clients = fleet()
    run(clients, threshold=3)
    first = {
        stage: (message, reply)
        for (stage, node, message), (_, _, reply) in zip(clients.sent, clients.received, strict=True)
        if node == 101
    }
    fresh = fleet()
    app, context = fresh.apps[101], context_of(101)
    setup = first["setup"][0]
    answers = [app(_copy(setup), context).content["secagg"]["message"] for _ in range(2)]
    assert answers[0] == answers[1]
    late = app(_copy(first["unmask"][0]), context)
    assert late.has_error()
    again = app(_copy(setup), context)
    assert again.has_error(), "a client that has left a round does not begin it anew"


def test_a_message_of_another_round_leaves_this_one_alone():
    app, context, (this, other) = fleet().apps[101], context_of(101), [fleet(), fleet()]
    run(this), run(other)
    setup = next(message for stage, node, message in this.sent if (stage, node) == ("setup", 101))
    late = next(message for stage, node, message in other.sent if (stage, node) == ("share_keys", 101))
    answer = app(_copy(setup), context).content["secagg"]["message"]
    assert app(_copy(late), context).has_error()
    assert app(_copy(setup), context).content["secagg"]["message"] == answer


def test_a_request_that_was_answered_before_the_last_one_leaves_the_round_alone():
    def ask_again(node, stage, reply):
        if stage == "share_keys" and node == 101:
            setup = next(message for stage, node, message in clients.sent if (stage, node) == ("setup", 101))
            stale = clients.apps[101](_copy(setup), clients.contexts[101])
            assert stale.error.reason.startswith("Stale")
        return reply

    clients = fleet(tamper=ask_again)
    assert len(run(clients)) == 5


def test_training_is_noted_whatever_the_servers_terms_say():
    """Or a server could have the client train for a metric alone, and then ask for its parameters."""
    content = RecordDict({"arrays": ArrayRecord({"w": Array(np.zeros(9, np.float32))})})
    for message_type, trained in [("train", True), ("evaluate", False)]:
        clients = Fleet([message_app(moved_by(0.25, loss=1.0), [secagg_mod]) for _ in range(3)])
        contents = dict.fromkeys(clients.apps, content)
        round_ = Round(contents, Settings(1.0, 2), message_type, "1", RUN, 1, metrics={"loss": 2.0}, has_arrays=False)
        while round_.is_open:
            round_.run_stage(clients, None)
        assert round_.outcome().metrics["loss"] == pytest.approx(1.0, abs=1e-3)
        assert all(it.state[STATE]["trained"] is trained for it in clients.contexts.values())


# --- The key -----------------------------------------------------------------------------------------


def test_the_key_is_made_once_for_its_owner_alone(state_key):
    first = keys.state_key(context_of(1)).to_bytes()
    assert keys.state_key(context_of(2)).to_bytes() == first == state_key.read_bytes()
    assert stat.S_IMODE(state_key.stat().st_mode) == 0o600
    assert [path.name for path in state_key.parent.iterdir()] == [state_key.name]


def test_the_nodes_configuration_comes_before_the_environment(tmp_path):
    other = tmp_path / "deep" / "other.key"
    keys.state_key(context_of(1, node_config={"secagg-state-key": str(other)}))
    assert other.exists()


def test_without_either_the_key_is_in_the_users_state_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("SECAGG_STATE_KEY")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    keys.state_key(context_of(1))
    assert (tmp_path / "state" / "secagg" / "state.key").exists()
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    keys.state_key(context_of(1))
    assert (tmp_path / "home" / ".local" / "state" / "secagg" / "state.key").exists()


def test_a_key_that_others_can_read_is_refused(state_key):
    keys.state_key(context_of(1))
    state_key.chmod(0o644)
    with pytest.raises(Misuse, match="chmod 600"):
        keys.state_key(context_of(1))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no modes")
class TestAKeyThatAPlatformMounted:
    """A read-only mount cannot be made here, nor the file of another user: the system is asked through stand-ins."""

    @pytest.fixture
    def look(self, state_key, monkeypatch):
        """Reads the key as a process that finds it with this mode, owner, group and mount."""
        state_key.write_bytes(bytes(range(32)))

        def look(mode, *, owner, group, read_only=False, user=1000, groups=(1000,)):
            real = type(state_key).stat
            found = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, group, 32, 0, 0, 0))
            monkeypatch.setattr(
                type(state_key), "stat", lambda path, **more: found if path == state_key else real(path, **more)
            )
            flags = SimpleNamespace(f_flag=os.ST_RDONLY if read_only else 0)
            monkeypatch.setattr(os, "statvfs", lambda path: flags)
            monkeypatch.setattr(os, "geteuid", lambda: user)
            monkeypatch.setattr(os, "getegid", lambda: groups[0])
            monkeypatch.setattr(os, "getgroups", lambda: list(groups))
            return keys.state_key(context_of(1)).to_bytes()

        return look

    @pytest.mark.parametrize(
        "found",
        [
            {"mode": 0o440, "owner": 0, "group": 2000, "groups": (1000, 2000)},
            {"mode": 0o440, "owner": 0, "group": 1000, "read_only": True},
            {"mode": 0o444, "owner": 0, "group": 0, "read_only": True},
            {"mode": 0o644, "owner": 1000, "group": 1000, "read_only": True},
            {"mode": 0o400, "owner": 0, "group": 0},
            {"mode": 0o600, "owner": 1000, "group": 1000},
            {"mode": 0o600, "owner": 1000, "group": 1000, "user": 0},
        ],
    )
    def test_is_taken(self, look, found):
        assert look(**found) == bytes(range(32))

    @pytest.mark.parametrize(
        ("found", "what_to_do"),
        [
            ({"mode": 0o440, "owner": 0, "group": 2000}, "chmod 600"),
            ({"mode": 0o440, "owner": 1000, "group": 1000}, "chmod 600"),
            ({"mode": 0o460, "owner": 0, "group": 1000}, "chmod 600"),
            ({"mode": 0o444, "owner": 0, "group": 0}, "Or copy it to a file of mode 600"),
            ({"mode": 0o600, "owner": 1001, "group": 1001}, "chown 1000"),
            ({"mode": 0o444, "owner": 1001, "group": 1001, "read_only": True}, "chown 1000"),
        ],
    )
    def test_is_refused_where_others_could_know_or_choose_it(self, look, found, what_to_do):
        with pytest.raises(Misuse, match=what_to_do):
            look(**found)


def test_a_key_is_made_where_there_are_no_hard_links(state_key, monkeypatch):
    def refuse(*paths):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    first = keys.state_key(context_of(1)).to_bytes()
    assert keys.state_key(context_of(2)).to_bytes() == first == state_key.read_bytes()
    assert stat.S_IMODE(state_key.stat().st_mode) == 0o600
    assert [path.name for path in state_key.parent.iterdir()] == [state_key.name]


def test_many_processes_without_hard_links_have_the_same_key(state_key, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(os, "link", lambda *paths: (_ for _ in ()).throw(OSError("no links")))
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda node: keys.state_key(context_of(node)).to_bytes(), range(64)))
    assert len(found) == 1


def test_a_key_of_another_length_is_refused(state_key):
    state_key.write_bytes(b"short")
    state_key.chmod(0o600)
    with pytest.raises(Misuse, match="32 bytes"):
        keys.state_key(context_of(1))


def test_where_no_key_can_be_kept_the_error_says_what_to_set(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SECAGG_STATE_KEY", str(tmp_path / "file" / "state.key"))
    with pytest.raises(Misuse, match="SECAGG_STATE_KEY"):
        keys.state_key(context_of(1))


def test_many_processes_that_make_the_key_at_once_have_the_same(state_key):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda node: keys.state_key(context_of(node)).to_bytes(), range(64)))
    assert len(found) == 1


def _copy(message):
    import copy

    return copy.deepcopy(message)
