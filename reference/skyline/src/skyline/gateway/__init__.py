"""The gateway: Skyline's edge, where every contract is reached over gRPC, gRPC-Web, Connect and REST."""
