"""Service files and their tables. Each table is read and checked, and a mistake ends in a SetupError with the place and the remedy."""
