"""Each extra of the wheel, alone in an empty environment, brings all that it is for; without it a sentence names it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tools.environments import extended, installed, run

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

GENERATE = (
    "from pathlib import Path; from towpath.codegen import *; print(generate(GenerateOptions(paths=[Path('proto')], out=Path())).written)"
)
SERVED = """\
from shop_fakes import FakeShop
from shop_pb2 import M
from shop_towpath import ShopSyncClient
from towpath import CallOptions


def test_a_call(serve):
    assert ShopSyncClient(serve(FakeShop(do=M(a=7))).sync_channel).do(M(), CallOptions(timeout=120)).a == 7
"""
CONTRACT = 'syntax = "proto3";\nimport "towpath/v1/options.proto";\nmessage M { int64 a = 1; }\nservice Shop { rpc Do(M) returns (M); }\n'
JOINED = (
    "from pathlib import Path; from towpath._app.process.span_export import join_user_spans; from towpath.settings import load; "
    "Path('towpath.toml').write_text('[telemetry]\\nopentelemetry = true'); "
    "join_user_spans(load(Path('towpath.toml'), {})); import opentelemetry.sdk.trace; print(True)"
)

TRIED = {
    "speed": (["-c", "from towpath._app.event_loop import new_loop; print(type(new_loop()).__module__)"], "uvloop"),
    "cli": (["-m", "towpath", "--help"], "Compile .proto files"),
    "gen": (["-c", GENERATE], "shop_fakes.py"),
    "testing": (["-m", "pytest", "-q", "-p", "no:cacheprovider"], "1 passed"),
    "postgres": (["-c", "from towpath.stores import PostgresStore; print(PostgresStore.__name__)"], "PostgresStore"),
    "redis": (["-c", "from towpath.stores import RedisRates, RedisStore; print(RedisRates.__name__, RedisStore.__name__)"], "RedisStore"),
    "otel": (["-c", JOINED], "True"),
}
"""What is tried with each extra, and what it prints then."""

WITHOUT = {
    "speed": "asyncio.unix_events",
    "cli": "install with: pip install 'towpath[cli]'",
    "gen": "run: pip install 'towpath[gen]'",
    "testing": "No module named pytest",
    "postgres": "install towpath[postgres]",
    "redis": "install towpath[redis]",
    "otel": "pip install 'towpath[otel]'",
}
"""What the same prints without the extra."""


@pytest.fixture(scope="module")
def plain(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and no extra."""
    return installed(tmp_path_factory.mktemp("plain") / "env", built["pure"])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a contract, its code, and a test of it."""
    folder = tmp_path / "shop"
    (folder / "proto").mkdir(parents=True)
    (folder / "proto/shop.proto").write_text(CONTRACT)
    (folder / "conftest.py").write_text('pytest_plugins = ["towpath.testing.fixtures"]\n')
    (folder / "test_shop.py").write_text(SERVED)
    return folder


def test_each_extra_is_tried() -> None:
    assert set(TRIED) == set(WITHOUT) == set(EXTRAS)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("extra", sorted(TRIED))
def test_an_extra_alone_brings_what_it_is_for(plain, shop, tmp_path, extra):
    arguments, printed = TRIED[extra]
    if extra == "testing":  # the code of a contract is made elsewhere, and committed
        subprocess.run([sys.executable, "-c", GENERATE], cwd=shop, check=True, capture_output=True)
    assert printed in run(extended(tmp_path / "env", plain, extra), shop, *arguments)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("extra", sorted(WITHOUT))
def test_without_an_extra_a_sentence_names_it(plain, shop, extra):
    ran = subprocess.run([str(plain), "-P", *TRIED[extra][0]], cwd=shop, capture_output=True, text=True, check=False)
    assert WITHOUT[extra] in ran.stdout + ran.stderr


def test_a_plain_install_has_the_simulator_and_the_logic_of_fakes(plain, tmp_path):
    run(plain, tmp_path, "-c", "import towpath.testing, towpath.testing.fakes")


TEXTS = sorted(
    path
    for folder, pattern in ((ROOT, "*.md"), (ROOT / "docs", "**/*.md"), (ROOT / "src", "**/*.py"), (ROOT / "src", "**/*.tmpl"))
    for path in folder.glob(pattern)
)
NAMED = re.compile(r"towpath\)?\"?\[([a-z][a-z, ]*)\]", re.IGNORECASE)
INSTALLED = re.compile(r"pip install (?:--?[\w-]+ )*(['\"]?)([^\s'\"`\\]+)\1")
KNOWN = ("towpath", "$TOWPATH", "$(TOWPATH)", "${WHEEL}", ".", "anyio", "grpcio", "uvicorn", "basedpyright", "catalog-contracts", "py-spy")
"""What texts say to install: towpath, the project itself, what an adapter or a comparison is for, a tool, and the package of a guide."""


def test_every_extra_that_a_text_names_exists() -> None:
    named = {extra.strip() for path in TEXTS for names in NAMED.findall(path.read_text()) for extra in names.split(",")}
    assert named == set(EXTRAS)


def test_every_package_that_a_text_says_to_install_is_known() -> None:
    named = {name.partition("[")[0] for path in TEXTS for _, name in INSTALLED.findall(path.read_text())}
    assert "towpath" in named
    assert named <= set(KNOWN), named - set(KNOWN)
