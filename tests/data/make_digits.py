#!/usr/bin/env python3
"""Makes tests/data/digits/: real updates of 24 clients, from one round of federated averaging.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scikit-learn==1.9.1 safetensors==0.8.0
    venv/bin/python tests/data/make_digits.py

The same versions on the same kind of processor give the same bytes; a different BLAS may change last digits.

The data are the UCI handwritten digits that scikit-learn ships. A fifth is held out for testing. The rest is dealt to 24
clients, each with its own mixture of digits (Dirichlet) and its own number of examples. They train a small network
together by federated averaging; what each client would send in the last round is its file.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

SEED = 20260401
CLIENTS = 24
ROUNDS = 12
LOCAL_EPOCHS = 6
BATCH = 16
LEARNING_RATE = 0.1
HIDDEN = 32
SKEW = 0.3  # Dirichlet concentration over labels: smaller is more different
FEWEST = 10  # examples that every client has at least
HERE = Path(__file__).parent


def main():
    random = np.random.default_rng(SEED)
    (train_x, train_y), (test_x, test_y) = split(random)
    clients = deal(random, train_y)
    model = first_model(random)
    for _ in range(ROUNDS):
        updates = [train(random, model, train_x[own], train_y[own]) for own in clients]
        model = mean(updates, [len(own) for own in clients])
    write(updates, clients, test_x, test_y)
    report(updates, clients, model, test_x, test_y)


def split(random):
    """Pixels as 0 to 16, in a random order: a fifth for testing, the rest for training."""
    digits = load_digits()
    order = random.permutation(len(digits.target))
    x, y = digits.data[order].astype(np.uint8), digits.target[order].astype(np.uint8)
    test = len(y) // 5
    return (x[test:], y[test:]), (x[:test], y[:test])


def deal(random, labels):
    """The examples of each client. Drawn anew until no client is left with almost nothing."""
    while True:
        hands = [[] for _ in range(CLIENTS)]
        for label in range(10):
            own = np.flatnonzero(labels == label)
            shares = random.dirichlet(np.full(CLIENTS, SKEW))
            cuts = (np.cumsum(shares)[:-1] * len(own)).astype(int)
            for hand, part in zip(hands, np.split(own, cuts)):
                hand.extend(part)
        if min(map(len, hands)) >= FEWEST:
            return [np.array(sorted(hand)) for hand in hands]


def first_model(random):
    normal = lambda *shape: random.normal(0, np.sqrt(2 / shape[-1]), shape).astype(np.float32)
    return {
        "hidden.weight": normal(HIDDEN, 64),
        "hidden.bias": np.zeros(HIDDEN, np.float32),
        "output.weight": normal(10, HIDDEN),
        "output.bias": np.zeros(10, np.float32),
        "output.scale": np.array(1.0, np.float32),  # a single number, trained like the others
    }


def forward(model, pixels):
    """hidden = relu(W x + b) on x = pixels / 16; logits = scale * (V hidden + c)."""
    x = pixels.astype(np.float32) / np.float32(16)
    hidden = np.maximum(x @ model["hidden.weight"].T + model["hidden.bias"], 0)
    raw = hidden @ model["output.weight"].T + model["output.bias"]
    return x, hidden, raw, model["output.scale"] * raw


def gradients(model, pixels, labels):
    """Of the mean cross-entropy."""
    x, hidden, raw, logits = forward(model, pixels)
    softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    softmax[np.arange(len(labels)), labels] -= 1
    d_logits = softmax / np.float32(len(labels))
    d_raw = model["output.scale"] * d_logits
    d_hidden = d_raw @ model["output.weight"] * (hidden > 0)
    return {
        "hidden.weight": d_hidden.T @ x,
        "hidden.bias": d_hidden.sum(axis=0),
        "output.weight": d_raw.T @ hidden,
        "output.bias": d_raw.sum(axis=0),
        "output.scale": (d_logits * raw).sum(),
    }


def train(random, model, pixels, labels):
    """One client's parameters after its own epochs of plain gradient descent."""
    model = {name: tensor.copy() for name, tensor in model.items()}
    for _ in range(LOCAL_EPOCHS):
        order = random.permutation(len(labels))
        for batch in (order[i : i + BATCH] for i in range(0, len(order), BATCH)):
            for name, slope in gradients(model, pixels[batch], labels[batch]).items():
                model[name] = np.asarray(model[name] - np.float32(LEARNING_RATE) * slope, np.float32)
    return model


def mean(updates, weights):
    share = np.array(weights, np.float64) / sum(weights)
    return {
        name: np.asarray(sum(s * u[name].astype(np.float64) for s, u in zip(share, updates)), np.float32)
        for name in updates[0]
    }


def accuracy(model, pixels, labels):
    return float((forward(model, pixels)[3].argmax(axis=1) == labels).mean())


def write(updates, clients, test_x, test_y):
    folder = HERE / "digits"
    folder.mkdir(exist_ok=True)
    lines = ["client,weight"]
    for number, (update, own) in enumerate(zip(updates, clients)):
        name = f"client_{number:02}"
        save_file(update, folder / f"{name}.safetensors")
        lines.append(f"{name},{len(own)}")
    (folder / "weights.csv").write_text("\n".join(lines) + "\n")
    # Half precision holds 0 to 16 exactly, and the program's own reader reads it.
    test = {"pixels": test_x.astype(np.float16), "labels": test_y.astype(np.float16)}
    save_file(test, HERE / "digits_test.safetensors")


def report(updates, clients, model, test_x, test_y):
    counts = [len(own) for own in clients]
    alone = [accuracy(update, test_x, test_y) for update in updates]
    print(f"clients             {len(clients)}, with {min(counts)} to {max(counts)} examples, {sum(counts)} in all")
    print(f"parameters          {sum(t.size for t in model.values())}")
    print(f"test examples       {len(test_y)}")
    print(f"weighted mean       {accuracy(model, test_x, test_y):.4f} of the test examples right")
    print(f"plain mean          {accuracy(mean(updates, [1] * len(updates)), test_x, test_y):.4f}")
    print(f"a client on its own {min(alone):.4f} to {max(alone):.4f}, {np.mean(alone):.4f} on average")
    print(f"scale               {float(model['output.scale']):.4f}")


if __name__ == "__main__":
    main()
