"""The example shop was made by `towpath new`, and is kept up to date with the template as its users are told to keep theirs."""

import shutil
from pathlib import Path

from tests.architecture.repository import ROOT, tracked
from tests.scaffold.projects import commit, git
from towpath._scaffold.upgrade import upgrade

SHOP = Path("reference", "shop")


def test_an_upgrade_of_the_shop_finds_nothing_to_do(tmp_path: Path) -> None:
    for name in tracked():
        if Path(name).is_relative_to(SHOP):
            copy = tmp_path / Path(name).relative_to(SHOP)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    done = upgrade(tmp_path, dry_run=True)
    assert {name for name, _, _ in done.versions} == {".", "cart", "catalogue", "checkout"}
    assert [name for name, before, after in done.versions if before != after] == []
    assert done.changes == ()
