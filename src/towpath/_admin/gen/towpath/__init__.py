"""Of the package `towpath`: see `towpath._admin.gen`."""
