"""What the admin listener shows of a running process: its tasks, its stacks, and what blocked its loop."""
