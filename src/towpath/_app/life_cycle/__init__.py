"""From the first line of a service's `main` to its last resource: what is entered, watched and left around the calls."""
