"""The parts of `towpath.compat.grpcio`."""
