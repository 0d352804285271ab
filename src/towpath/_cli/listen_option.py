"""The option `--listen` of the commands that start services."""


def places(given: tuple[str, ...]) -> dict[str, str]:
    """The addresses of `--listen`, by service. Raises SetupError for a text without a name."""
    from towpath._core.errors import SetupError

    places: dict[str, str] = {}
    for text in given:
        name, equals, address = text.partition("=")
        if not equals:
            raise SetupError(f"--listen: {text!r} names no service; write NAME=HOST:PORT")
        places[name] = address
    return places
