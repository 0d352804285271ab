"""One module or package per experiment, named for its question; `make labs` finds them here."""
