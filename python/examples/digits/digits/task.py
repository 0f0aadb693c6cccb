"""The data and the model: 8 by 8 pixels, one hidden layer, ten digits; scikit-learn's copy of the UCI digits."""

from __future__ import annotations

import numpy as np
from flwr.app import Array, ArrayRecord
from sklearn.datasets import load_digits

HIDDEN, CLASSES, BATCH = 32, 10, 16
Model = dict[str, np.ndarray]


def fresh_model(seed: int = 0) -> Model:
    """A model that knows nothing yet. The temperature is an array without axes, to show that such ones pass."""
    random = np.random.default_rng(seed)
    return {
        "hidden.weight": random.normal(0, 0.2, (64, HIDDEN)).astype(np.float32),
        "hidden.bias": np.zeros(HIDDEN, np.float32),
        "out.weight": random.normal(0, 0.2, (HIDDEN, CLASSES)).astype(np.float32),
        "out.bias": np.zeros(CLASSES, np.float32),
        "temperature": np.array(1.0, np.float32),
    }


def to_record(model: Model) -> ArrayRecord:
    """The model as Flower sends it."""
    return ArrayRecord({name: Array(array) for name, array in model.items()})


def from_record(record: ArrayRecord) -> Model:
    """The model as Flower sent it, in arrays that can be written to."""
    return {name: array.numpy().copy() for name, array in record.items()}


def load_test() -> tuple[np.ndarray, np.ndarray]:
    """The fifth of the digits that no client trains on."""
    pixels, labels = _shuffled()
    return pixels[::5], labels[::5]


def load_partition(partition: int, partitions: int) -> tuple[np.ndarray, np.ndarray]:
    """One client's digits, sorted so that each has some digits more often than others."""
    pixels, labels = _shuffled()
    training = np.flatnonzero(np.arange(len(labels)) % 5)
    own = np.array_split(training[np.argsort(labels[training] // 2, kind="stable")], 2 * partitions)
    mine = np.concatenate([own[partition], own[-1 - partition]])
    return pixels[mine], labels[mine]


def train(model: Model, data: tuple[np.ndarray, np.ndarray], epochs: int, rate: float, seed: int) -> float:
    """Trains in place by stochastic gradient descent, and gives the loss of the last epoch."""
    pixels, labels = data
    random = np.random.default_rng(seed)
    for _ in range(epochs):
        order = random.permutation(len(labels))
        batches = [order[first : first + BATCH] for first in range(0, len(order), BATCH)]
        losses = [_step(model, pixels[batch], labels[batch], rate) for batch in batches]
    return float(np.mean(losses))


def accuracy(model: Model, data: tuple[np.ndarray, np.ndarray]) -> float:
    """The fraction of the digits that the model knows."""
    pixels, labels = data
    return float(np.mean(_forward(model, pixels)[1].argmax(1) == labels))


def _shuffled() -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(labels))
    return (pixels[order] / 16).astype(np.float32), labels[order]


def _forward(model: Model, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hidden = np.maximum(pixels @ model["hidden.weight"] + model["hidden.bias"], 0)
    scores = (hidden @ model["out.weight"] + model["out.bias"]) * model["temperature"]
    chances = np.exp(scores - scores.max(1, keepdims=True))
    return hidden, chances / chances.sum(1, keepdims=True)


def _step(model: Model, pixels: np.ndarray, labels: np.ndarray, rate: float) -> float:
    hidden, chances = _forward(model, pixels)
    rows = np.arange(len(labels))
    loss = -np.log(chances[rows, labels] + 1e-9).mean()
    chances[rows, labels] -= 1
    chances /= len(labels)
    back = (chances @ model["out.weight"].T) * (hidden > 0)
    model["out.weight"] -= rate * hidden.T @ chances
    model["out.bias"] -= rate * chances.sum(0)
    model["hidden.weight"] -= rate * pixels.T @ back
    model["hidden.bias"] -= rate * back.sum(0)
    return float(loss)
