"""Packages of contracts as an installer leaves them: the folder of the package, and beside it what is known of the distribution."""

import shutil
import tomllib
from importlib import invalidate_caches
from pathlib import Path


def install(project: Path, site: Path) -> None:
    """Install the package of contracts that `towpath gen --package` made in `project` into `site`, a folder on Python's path."""
    with (project / "pyproject.toml").open("rb") as file:
        about = tomllib.load(file)["project"]
    for folder in (project / "src").iterdir():
        shutil.copytree(folder, site / folder.name)
    info = site / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n", "utf-8")
    groups = about["entry-points"].items()
    points = [f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()) for group, values in groups]
    (info / "entry_points.txt").write_text("".join(points), "utf-8")
    invalidate_caches()
