"""The package as it is given away: licences and author in the wheel, and a source distribution that is whole."""

import re
import subprocess
import sys
import tarfile
from importlib.metadata import distribution
from pathlib import Path

LICENCES = ["LICENSE-MIT", "LICENSE-APACHE"]
SOURCES = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())


def test_the_wheel_has_licences_and_author():
    wheel = distribution("secagg")
    assert wheel.metadata.get_all("License-File") == LICENCES
    assert wheel.metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert wheel.metadata["Author"] == "The secagg developers"
    texts = {file.name: file.read_text() for file in wheel.files or [] if file.parent.name == "licenses"}
    assert texts == {name: (SOURCES / name).read_text() for name in LICENCES}
    assert "MIT License" in texts["LICENSE-MIT"] and "Version 2.0" in texts["LICENSE-APACHE"]


def test_the_page_shows_the_drop_in_first_and_links_nowhere_that_is_not_on_the_page():
    page = distribution("secagg").metadata.get_payload()
    assert page.index("secagg.flower import SecAggPlusWorkflow") < page.index("SecAggGrid(grid)") < page.index("from secagg import")
    exec(page.split("```python\n")[1].split("```")[0], {})
    targets = re.findall(r"\]\(([^)]*)\)", page)
    assert targets and all(target.startswith("https://") for target in targets)


def test_the_source_distribution_is_whole(tmp_path):
    """Unpacked, it makes itself again: all members of its workspace are there, and its lock file fits them."""
    first = sdist(SOURCES, tmp_path / "first")
    with tarfile.open(first) as archive:
        archive.extractall(tmp_path, filter="data")
        names = archive.getnames()
    root = tmp_path / first.name.removesuffix(".tar.gz")
    for name in ["PKG-INFO", "pyproject.toml", "README.md", "Cargo.toml", "Cargo.lock", *LICENCES]:
        assert f"{root.name}/{name}" in names
    for name in LICENCES:
        assert (root / name).read_text() == (SOURCES / name).read_text()
    with tarfile.open(sdist(root, tmp_path / "second")) as archive:
        assert sorted(archive.getnames()) == sorted(names)


def sdist(folder: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "maturin", "sdist", "--out", str(out)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (archive,) = out.iterdir()
    return archive
