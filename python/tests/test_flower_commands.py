"""The commands of the pages run beside a local SuperLink that another run has left: they name a folder and ports of their own."""

import re
from pathlib import Path

import flwr
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "flower.md"]
PLAIN = {"39093", "39091", "39092"}
"""Ports of the SuperLink that a plain `flwr run` starts and finds."""

SOURCES = Path(flwr.__file__).parent


@pytest.mark.skipif(not PAGES[1].exists(), reason="a source distribution has no page")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_example_has_a_superlink_of_its_own(page):
    blocks = [block for block in re.split(r"\n(?!    )", page.read_text()) if "\n    flwr run " in block]
    assert blocks
    for block in blocks:
        before = block.split("    flwr run")[0]
        said = dict(re.findall(r"\b(FLWR_[A-Z_]+)=(\$\([^)]*\)|\S+)", before))
        assert said["FLWR_HOME"] == "$(mktemp -d)" and said["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
        ports = {name: port for name, port in said.items() if name.endswith("_PORT")}
        assert ports and not PLAIN & set(ports.values())
        assert any(is_read(name) for name in ports), "none of the ports is one that this Flower reads"
        assert is_read("FLWR_HOME")


def is_read(name: str) -> bool:
    return any(name in source.read_text(errors="ignore") for source in SOURCES.rglob("*.py"))
