"""The stubs tell the truth: signatures by mypy's stubtest, and docstrings word for word."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import secagg
from secagg import _secagg

STUB = Path(secagg.__file__).with_name("_secagg.pyi")


def documented(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, str | None]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name, ast.get_docstring(node)
            yield from documented(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield owner + node.name, ast.get_docstring(node)


DOCUMENTED = dict(documented(ast.parse(STUB.read_text()).body))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_help_says_what_the_stub_says(name: str) -> None:
    thing: Any = _secagg
    for part in name.split("."):
        thing = getattr(thing, part)
    if not name.rpartition(".")[2].startswith("__"):
        assert DOCUMENTED[name] and inspect.getdoc(thing) == DOCUMENTED[name]


def test_everything_public_is_in_the_stub() -> None:
    named = set(_secagg.__all__) - {"PRGS", "STAGES", "__version__"}
    assert named == {name for name in DOCUMENTED if "." not in name}
    for name in secagg.__all__ + secagg.kernels.__all__:
        assert hasattr(secagg, name) or hasattr(secagg.kernels, name)


def test_signatures_are_those_of_the_stub() -> None:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy.stubtest", "secagg._secagg", "--ignore-disjoint-bases"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("section, survivors", [("A round", [1, 2, 3, 5]), ("If the server may lie", [1, 2, 3, 5])])
def test_the_examples_of_the_readme_run(section: str, survivors: list[int]) -> None:
    example = README.read_text().split(f"## {section}\n")[1].split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["aggregate"].survivors == survivors
