"""The life of a service's process: its sockets, signals, workers, probes and output, from start to shutdown."""
