"""The container of a new service: the steps of its Dockerfile install what it needs, and its command serves and answers probes."""

import json
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.scaffold.dockerfile import build, ignored
from tests.scaffold.projects import make
from tests.scaffold.test_project_from_a_clone import needs_ensurepip
from towpath._scaffold.answers import checked
from towpath._scaffold.project import make_service


def fetch(url: str, body: bytes | None = None) -> str:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        return response.read().decode()


@needs_ensurepip
@pytest.mark.timeout(1800)
def test_the_steps_of_the_dockerfile_make_a_service_that_answers_probes_and_calls(tmp_path, newcomer):
    service = make_service(checked("order-book", port=8123), tmp_path).folder
    (service / "secret.key").write_text("not for the container")
    image = build(service, tmp_path / "image", {}, newcomer)
    assert (image.user, image.ports) == ("app", ("8123", "9090"))
    assert image.users.split()[-1] == image.user
    assert not list((tmp_path / "image").rglob("secret.key"))
    assert image.env["TOWPATH_LISTEN"] == "0.0.0.0:8123"
    with free_port() as port, free_port() as admin:
        environ = {**newcomer, **image.env, "TOWPATH_LISTEN": f"127.0.0.1:{port}", "TOWPATH_ADMIN": f"127.0.0.1:{admin}"}
        environ = {name: image.mapped(value) for name, value in environ.items()}
        command = [image.mapped(part) for part in image.command]
        with subprocess.Popen(command, cwd=image.inside("/"), env=environ, stderr=subprocess.PIPE, text=True) as running:
            try:
                assert running.stderr is not None
                assert any(" serves order_book.v1.OrderBookService " in line for line in running.stderr)
                assert fetch(f"http://127.0.0.1:{admin}/readyz") == "serving\n"
                assert json.loads(fetch(f"http://127.0.0.1:{port}/grpc.health.v1.Health/Check", b"{}")) == {"status": "SERVING"}
                assert json.loads(fetch(f"http://127.0.0.1:{port}/v1/order_book/greetings/Ada")) == {"text": "Hello, Ada!"}
                running.send_signal(signal.SIGTERM)
                assert running.wait(120) == 0
            finally:
                running.kill()


def test_the_builder_is_sent_what_the_container_needs_and_nothing_else(tmp_path):
    service = make_service(checked("shop"), tmp_path).folder
    rules = (service / ".dockerignore").read_text()
    files = {path.relative_to(service).as_posix() for path in service.rglob("*") if path.is_file() and ".git/" not in str(path)}
    sent = {name for name in files if not ignored(name, rules)}
    assert {"README.md", "pyproject.toml", "src/shop/__main__.py", "src/shop/v1/shop_pb2.py", "towpath.toml"} <= sent
    assert {name for name in sent if not name.startswith("src/")} == {"README.md", "pyproject.toml", "towpath.toml"}
    assert ignored("src/shop/__pycache__/service.cpython-311.pyc", rules)
    assert not ignored("towpath-0.1.0-py3-none-any.whl", rules)


@pytest.mark.parametrize("step", ["ADD x y", "VOLUME /x"])
def test_a_step_that_is_not_known_fails(tmp_path, step):
    (tmp_path / "Dockerfile").write_text(f"FROM x\n{step}\n")
    with pytest.raises(ValueError, match=step):
        build(tmp_path, tmp_path / "image", {}, {})


def test_the_container_has_towpath_from_where_the_project_has_it(tmp_path):
    service = make_service(checked("shop"), tmp_path).folder
    (service / "local.mk").unlink(missing_ok=True)
    assert make(service, "image", "DOCKER=echo").stdout == "build --build-arg TOWPATH=towpath --tag shop .\n"
    wheel = tmp_path / "towpath-7.0-py3-none-any.whl"
    wheel.write_bytes(b"")
    printed = make(service, "--dry-run", "image", f"TOWPATH={wheel}").stdout
    assert re.search(rf"pip wheel .* --wheel-dir \. '{wheel}'", printed)


def test_what_a_wheel_leaves_in_the_folder_is_not_committed(tmp_path):
    service: Path = make_service(checked("shop"), tmp_path).folder
    assert "*.whl" in (service / ".gitignore").read_text().split()
