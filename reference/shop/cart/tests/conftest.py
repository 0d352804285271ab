"""What all tests share: the `simulation` fixture, and the seed of it on the command line (`pytest --towpath-seed 2`)."""

pytest_plugins = ["towpath.testing.fixtures"]
