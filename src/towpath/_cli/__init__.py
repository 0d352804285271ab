"""The command line: each command is a function in a module of its own."""
