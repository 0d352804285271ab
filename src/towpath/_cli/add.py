"""`towpath add`: extends what `towpath new` made."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._scaffold.additions import Addition

What = Literal["method", "client", "store", "service"]
Streams = Literal["none", "requests", "responses", "both"]


def add(
    what: What,
    name: str,
    /,
    *,
    streams: Annotated[Streams, Parameter(negative="")] = "none",
    reads: Annotated[bool, Parameter(negative="")] = False,
    service: str = "",
    contract: Annotated[Path | None, Parameter(negative="")] = None,
    address: str = "",
    port: int | None = None,
    template: Annotated[Path | None, Parameter(negative="")] = None,
    folder: Path = Path(),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Add a method, a client of another service, a store, or a service of a system.

    Examples: towpath add method GetOrder --reads; towpath add client catalogue; towpath add store postgres; towpath add service checkout

    Parameters
    ----------
    what
        method: an RPC with its messages, a handler and a test. client: another service's contract and a client of it. store: where
        idempotency keys are kept. service: one more service of a system.
    name
        Of a method, such as GetOrder; of a service, such as order-book; of a store: sqlite, postgres or redis.
    streams
        For a method: which side sends several messages.
    reads
        For a method: it has no side effects, so that a call may be repeated.
    service
        For a method: the service of the contract, if it is another than the template's.
    contract
        For a client: the .proto file, or a folder of them; without it that of the service beside this one in a system.
    address
        For a store: where it is, such as redis://127.0.0.1:6379/0.
    port
        For a service: where it listens; without it one above those of the others.
    template
        For a service: a folder with a template of your own, instead of towpath's.
    folder
        The project; this folder without it.
    json
        Print one JSON object: written (the files) and next (what to do now).
    """
    # Each command loads only what it needs.
    from towpath._scaffold import additions

    given = {"streams": streams != "none", "reads": reads, "service": service, "contract": contract, "address": address}
    _refuse_others(what, {**given, "port": port is not None, "template": template})
    if what == "method":
        added = additions.add_method(folder, name, streams=streams, reads=reads, service=service)
    elif what == "client":
        added = additions.add_client(folder, name, contract=contract)
    elif what == "store":
        added = additions.add_store(folder, name, address=address)
    else:
        added = additions.add_service(folder, name, port=port, template=template)
    _tell(added, as_json=json)
    return 0


def _tell(added: "Addition", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"written": [str(path) for path in added.written], "next": added.following}))
        return
    for path in added.written:
        print(f"wrote {path}")
    print(f"next: {added.following}")


def _refuse_others(what: What, given: dict[str, object]) -> None:
    """Raises SetupError for an option in `given` that means nothing for `what`."""
    from towpath._core.errors import SetupError

    meant = {"method": ("streams", "reads", "service"), "client": ("contract",), "store": ("address",), "service": ("port", "template")}
    for option, value in given.items():
        if value and option not in meant[what]:
            raise SetupError(f"--{option}: means nothing for a {what}; leave it out")
