"""The client: trains on its own digits. Secure aggregation is the mod, and nothing else here knows of it."""

from __future__ import annotations

import time

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from secagg.flower import secagg_mod

from digits.task import from_record, load_partition, to_record, train


def secure_if_configured(message: Message, context: Context, call_next) -> Message:
    """`secagg_mod`, unless whoever starts the run says otherwise, which is for comparing the two alone.

    An app for real data leaves nobody that choice: ``ClientApp(mods=[secagg_mod])``.
    """
    if context.run_config["secure"]:
        return secagg_mod(message, context, call_next)
    return call_next(message, context)


app = ClientApp(mods=[secure_if_configured])


@app.train()
def _train(message: Message, context: Context) -> Message:
    time.sleep(context.run_config["slow"])
    data = load_partition(context.node_config["partition-id"], context.node_config["num-partitions"])
    model = from_record(message.content["arrays"])
    seed = message.content["config"]["server-round"]
    loss = train(model, data, context.run_config["local-epochs"], context.run_config["learning-rate"], seed)
    metrics = MetricRecord({"num-examples": len(data[1]), "train-loss": loss})
    return Message(RecordDict({"arrays": to_record(model), "metrics": metrics}), reply_to=message)
