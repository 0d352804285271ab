#!/bin/sh
# Prints the Python that the virtual environment is made with: 3.11 or newer, and one that can install pip into it if there is any.
# Debian and its relatives ship a Python without `ensurepip` (the package python3-venv has it); such a one is only taken last.
set -eu

candidates="${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3 python"
for modules in "venv, ensurepip" "venv"; do
    for candidate in $candidates; do
        if "$candidate" -c "import sys, $modules; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
            echo "$candidate"
            exit 0
        fi
    done
done

echo "error: no Python 3.11 or newer on PATH (tried:${PYTHON:+ $PYTHON} python3.11 to python3.14, python3, python)." >&2
echo "       Install one, or name it: make PYTHON=/where/it/is/python3.11 ..." >&2
exit 2
