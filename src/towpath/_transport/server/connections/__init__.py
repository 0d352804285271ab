"""Connections of clients: which HTTP they speak, how long they may last, and how many there may be."""
