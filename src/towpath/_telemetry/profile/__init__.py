"""Profiles of a running process: sampled stacks, and the pictures that are made of them."""
