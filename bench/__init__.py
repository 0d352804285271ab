"""Towpath and what a user would pick instead, side by side in one run: `python -m bench`. See docs/howto/benchmark.md."""
