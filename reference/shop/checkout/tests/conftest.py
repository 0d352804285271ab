"""What all tests share: the fixtures `serve`, `serve_system` and `simulation`, and the latter's seed (`pytest --towpath-seed 2`)."""

pytest_plugins = ["towpath.testing.fixtures"]
