"""Messages that must be refused, each named for what is wrong: one true message of a round, with one thing changed.

A case is delivered in the round that it names, in the place of the true message to or from that client, after
everything that comes before it in that round (to the server: after all other answers of the stage).
"""

from dataclasses import dataclass
from typing import Optional

from . import bad_answers, bad_decoding, bad_requests
from .common import STAGES


@dataclass
class Scene:
    """A round that ran, and what was said in it."""

    name: str
    ran: object

    def request(self, stage, client):
        return self._said(stage, client, "server")

    def answer(self, stage, client):
        return self._said(stage, client, "client")

    def _said(self, stage, client, by):
        found = [s for s in self.ran.log if (s["stage"], s["client"], s["from"]) == (stage, client, by)]
        return found[0]["bytes"]

    def to_server(self, stage, client, message, error, answered=False):
        extra = {"answered": True} if answered else {}
        return self._case(stage, "server", client, message, error) | extra

    def to_client(self, stage, client, message, error, policy: Optional[dict] = None):
        extra = {"policy": policy} if policy else {}
        return self._case(stage, "client", client, message, error) | extra

    def _case(self, stage, to, client, message, error):
        head = {"round": self.name, "stage": STAGES[stage], "to": to, "client": client}
        return head | {"error": error, "message": message.hex()}


def cases(ran):
    """By file name."""
    scenes = {name: Scene(name, one) for name, one in ran.items()}
    found = {}
    for name, case in [*bad_decoding.cases(scenes), *bad_answers.cases(scenes), *bad_requests.cases(scenes)]:
        name = name.replace(" ", "_").lower()
        assert name not in found, name
        found[name] = case
    return found
