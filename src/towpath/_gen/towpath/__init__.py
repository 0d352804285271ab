"""Of the package `towpath`: see `towpath._gen`."""
