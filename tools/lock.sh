#!/bin/sh
# Resolves the lock files anew from pyproject.toml: `run` for `make demo`, `new` for `make new`, `dev` for `make test` and `make check`, `bench` for `make bench`.
# Each later one is held to the versions of the earlier, so that one environment can hold them all. They are universal: markers
# choose per platform and Python version, and every file of every release that is named is hashed.
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin

"$bin/python" -m pip --disable-pip-version-check install --quiet uv
compile() {
    "$bin/uv" pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header "$@"
}
compile --extra cli --extra speed --group build -o requirements/run.lock
compile --extra cli --extra gen --extra speed --group build -c requirements/run.lock -o requirements/new.lock
compile --all-extras --group build --group test --group check --group docs -c requirements/new.lock -o requirements/dev.lock
compile --all-extras --group build --group bench -c requirements/dev.lock -o requirements/bench.lock
wc -l requirements/*.lock
