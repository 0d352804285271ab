#!/bin/sh
# Prints the Python that the virtual environment is made with, or with --identity what tells that Python from others: its version ("3.14",
# "3.14t"), its release and its place. It is the one that PYTHON names, or else one of PATH that is 3.11 or newer and can install pip into
# the environment, if there is any. Debian and its relatives ship a Python without `ensurepip` (the package python3-venv has it); such a one
# is only taken last.
set -eu

candidates="${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}"
for modules in "venv, ensurepip" "venv"; do
    for candidate in $candidates; do
        if "$candidate" -c "import sys, $modules; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
            if [ "${1:-}" = --identity ]; then
                "$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2] + sys.abiflags, sys.version.split()[0], sys.base_prefix)'
            else
                echo "$candidate"
            fi
            exit 0
        fi
    done
done

if [ -n "${PYTHON:-}" ]; then
    echo "error: PYTHON=$PYTHON is no Python 3.11 or newer with the module venv (Debian: python3-venv)." >&2
else
    echo "error: no Python 3.11 or newer on PATH (tried: python3.11 to python3.14, python3, python)." >&2
    echo "       Install one, or name it: make PYTHON=/where/it/is/python3.11 ..." >&2
fi
exit 2
