#!/usr/bin/env python3
"""Makes the vectors beside this file from a second implementation of docs/protocol.md.

    python3 tests/vectors/reference.py            writes them
    python3 tests/vectors/reference.py --check    exits with 1 if what is there is anything else

Needs Python 3.9 and the package `cryptography` (see requirements.txt).
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def vectors():
    """The content of every file by its name."""
    from makers import bad, kernels, messages, rounds, secrets

    ran = rounds.run_all()
    files = {
        "keystreams": kernels.keystreams(),
        "masks": kernels.masks(),
        "quantizer": kernels.quantizer(),
        "packing": kernels.packing(),
        "parameters": secrets.parameters(),
        "keys": secrets.keys(),
        "sealed": secrets.sealed(),
        "graph": secrets.graphs(),
        "shamir": secrets.shares(),
        "messages": messages.messages(),
    }
    plans = rounds.plans()
    files |= {f"rounds/{name}": rounds.content(plans[name], one) for name, one in ran.items()}
    files |= {f"bad/{name}": content for name, content in bad.cases(ran).items()}
    return {f"{name}.json": text(content) for name, content in files.items()}


def text(content):
    """JSON, the elements of a list in the first level on a line each."""
    rows = [f" {json.dumps(name)}:{_value(value)}" for name, value in content.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _value(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(" " + _compact(one) for one in value) + "\n ]"
    return _compact(value)


def _compact(value):
    return json.dumps(value, separators=(",", ":"))


def present():
    return {str(path.relative_to(HERE)): path.read_text() for path in HERE.rglob("*.json")}


def write(made):
    for name in present().keys() - made.keys():
        (HERE / name).unlink()
    for name, content in made.items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    print(f"{len(made)} files, {sum(map(len, made.values()))} bytes")


def check(made):
    there = present()
    differing = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    for name in differing:
        print(f"differs: tests/vectors/{name}", file=sys.stderr)
    print(f"{len(made)} files made again, {len(differing)} differ")
    return 1 if differing else 0


def main():
    arguments = sys.argv[1:]
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    made = vectors()
    sys.exit(check(made) if arguments else write(made))


if __name__ == "__main__":
    main()
