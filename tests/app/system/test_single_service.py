"""A service file alone, as a system of one service."""

import pytest

from towpath._app.system.single_service import of_service
from towpath._core.errors import SetupError
from towpath._transport import Address


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "towpath.toml"
    path.write_text('[service]\nname = "shop"\nlisten = "127.0.0.1:0"\n')
    return path


def runnable(folder, *packages):
    for package in packages:
        (folder / "src" / package).mkdir(parents=True)
        (folder / "src" / package / "__main__.py").touch()


def test_the_one_package_that_can_be_run_is_the_module(file, tmp_path):
    runnable(tmp_path, "shop")
    (entry,) = of_service(file).services.values()
    assert (entry.name, entry.module, entry.path, entry.config) == ("shop", "shop", tmp_path / "src", file)
    assert entry.listen == Address("127.0.0.1", 0)


@pytest.mark.parametrize(("packages", "there"), [((), "has none"), (("a", "b"), "has a, b")])
def test_a_module_that_is_not_clear_is_asked_for(file, tmp_path, packages, there):
    runnable(tmp_path, *packages)
    with pytest.raises(SetupError, match=f"which module runs the service is not clear, since .*src {there}; give --module"):
        of_service(file)
    assert next(iter(of_service(file, "shop.main").services.values())).module == "shop.main"


def test_a_path_of_the_file_system_is_no_place_for_it(file):
    file.write_text('[service]\nlisten = "unix:///run/shop.sock"\n')
    with pytest.raises(SetupError, match=r"service\.listen: towpath dev needs a host and port; .*shop\.sock is neither"):
        of_service(file, "shop")
