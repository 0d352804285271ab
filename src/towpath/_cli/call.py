"""`towpath call`: calls any gRPC server from a shell, with the contracts that the server sends by reflection."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._core.context import CallOptions
    from towpath._core.errors import RpcError
    from towpath._core.service import MethodSpec
    from towpath._transport import Channel
    from towpath._wire.json import JsonCodec

_STATUS: Final = 64
"""The sum of this and gRPC's code is the exit status of a failed call, as in grpcurl. So it differs from the statuses of other errors."""


@dataclass(frozen=True, kw_only=True)
class Security:
    """How the connection is secured."""

    tls: Annotated[bool, Parameter(negative="")] = False
    """Speak TLS, and trust the system's authorities. Implied by --ca, --cert and --key."""
    ca: Annotated[Path | None, Parameter(negative="")] = None
    """Trust these certification authorities (PEM) instead."""
    cert: Annotated[Path | None, Parameter(negative="")] = None
    """Show this certificate (PEM)."""
    key: Annotated[Path | None, Parameter(negative="")] = None
    """The key of the certificate (PEM)."""
    insecure: Annotated[bool, Parameter(negative="")] = False
    """Speak plaintext although the target is not on this machine."""

    def channel(self, target: str) -> "Channel":
        """A channel to `target`. Raises SetupError for what cannot be used."""
        from towpath._transport import Channel, ClientTls

        secured = ClientTls(ca=self.ca, certificate=self.cert, key=self.key) if self.tls or self.ca or self.cert or self.key else None
        return Channel(target, tls=secured, insecure=self.insecure)


def call(
    target: str,
    method: str = "",
    data: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    header: Annotated[tuple[str, ...], Parameter(name=("--header", "-H"), negative="")] = (),
    timeout: Annotated[str, Parameter(negative="")] = "10s",
    security: Annotated[Security | None, Parameter(name="*")] = None,
    wait: Annotated[bool, Parameter(negative="")] = False,
    json_defaults: Annotated[Literal["omit", "print"] | None, Parameter(negative="")] = None,
    marked: Annotated[bool, Parameter(negative="")] = False,
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Call a method with JSON and print what it answers as JSON, one line for each response.

    Example: towpath call 127.0.0.1:8080 GreeterService/Greet '{"name": "Ada"}' -v

    The exit status is 0 if the call succeeds, else 64 and gRPC's code (69 for NOT_FOUND).

    Parameters
    ----------
    target
        HOST:PORT. Alone, it lists the services there.
    method
        SERVICE/METHOD, such as echo.v1.EchoService/Say, with or without the package. A SERVICE alone lists its methods.
    data
        The request as JSON, @FILE or - for standard input; {} without it. Several requests of a stream follow each other, one a line.
    header
        Metadata to send, as 'name: value', base64 for a name that ends in -bin; may be repeated. towpath-tenant, towpath-criticality and
        idempotency-key may be given too, once each.
    timeout
        How long the call may take, such as 0.5s or 60s; 0s for no end.
    security
        How the connection is secured.
    wait
        Wait until a server is there, as long as --timeout lets the call take.
    json_defaults
        Leave out fields that have their default, or print them; without it, as the server's own JSON over REST and Connect does.
    marked
        Print the fields too that the contract marks with debug_redact, and errors with what looks like a secret in them.
    verbose
        Print on standard error where the time went.
    json
        Print what goes to standard error as JSON too, one object a line: for an error code, message, details, method, target and peer,
        and for each time of --verbose what and ms.
    """
    from towpath._core.errors import RpcError

    options, form = _options_of(timeout, header).replace(wait_for_ready=wait), Form(json_defaults, as_json=json, marked=marked)
    channel = (security or Security()).channel(target)
    try:
        return asyncio.run(_run(channel, method, data, options, Timings(shown=verbose, as_json=json), form))
    except RpcError as error:
        return _complain(error, form)


def _options_of(timeout: str, header: tuple[str, ...]) -> "CallOptions":
    """The options of the call. Raises SetupError that names the option of the command."""
    from towpath._app.settings.duration import parse_duration
    from towpath._core.errors import SetupError

    seconds = parse_duration(timeout, "--timeout") if timeout not in ("0", "0s") else None
    try:
        return _options(seconds, [_header(text) for text in header])
    except ValueError as error:
        raise SetupError(f"--header: {error}") from None


class Form:
    """How messages are printed: as the command says, or else as the server's own JSON, once that is known. With `as_json` errors are JSON
    too, and with `marked` responses have the fields that the contract marks with `debug_redact`."""

    def __init__(self, json_defaults: Literal["omit", "print"] | None, *, as_json: bool = False, marked: bool = False) -> None:
        self.json_defaults = json_defaults
        self.as_json = as_json
        self.marked = marked

    def show(self, response: Any, codec: "JsonCodec") -> None:
        """Print a response on a line of its own."""
        from towpath._core.disclosure.marked_fields import without_marked

        print(codec.encode(response if self.marked else without_marked(response)).decode(), flush=True)


class Timings:
    """When what happened, for `--verbose`."""

    def __init__(self, *, shown: bool, as_json: bool = False) -> None:
        self._shown = shown
        self._as_json = as_json
        self._last = self._begun = time.perf_counter()

    def tell(self, what: str) -> None:
        """Print the time since the last thing that was told."""
        now = time.perf_counter()
        self._print(what, now - self._last)
        self._last = now

    def total(self) -> None:
        """Print the time since the beginning."""
        self._print("in all", time.perf_counter() - self._begun)

    def _print(self, what: str, seconds: float) -> None:
        if self._shown and self._as_json:
            sys.stderr.write(json.dumps({"what": what, "ms": round(seconds * 1000, 2)}) + "\n")
        elif self._shown:
            sys.stderr.write(f"{what + ':':<32}{seconds * 1000:>9.2f} ms\n")


async def _run(
    channel: "Channel",
    method: str,
    data: str | None,
    options: "CallOptions",
    timings: Timings,
    form: Form,
) -> int:
    from towpath._app.dynamic import reflect, signatures
    from towpath._wire.json import JsonCodec

    async with channel:
        reflected = await reflect(channel, options)
        try:
            if not method:
                print("\n".join(await reflected.services()))
                return 0
            if "/" not in method.removeprefix("/"):
                print("\n".join(signatures(await reflected.service(method))))
                return 0
            spec = await reflected.method(method)
            form.json_defaults = form.json_defaults or await reflected.json_defaults()
        finally:
            await reflected.close()
        timings.tell("connecting, reading contracts")
        try:
            codec = JsonCodec(print_defaults=form.json_defaults == "print", pool=reflected.pool)
            await _call(channel, spec, _requests(spec, data, codec), options, partial(form.show, codec=codec), timings)
        finally:
            timings.total()
    return 0


async def _call(
    channel: "Channel",
    spec: "MethodSpec[Any, Any]",
    requests: Iterator[Any],
    options: "CallOptions",
    show: Callable[[Any], None],
    timings: Timings,
) -> None:
    from towpath._core.calls.asynchronous import BidiStreamingCall
    from towpath._core.errors import SetupError
    from towpath._core.service import MethodKind

    if spec.kind.requests_stream:
        call = BidiStreamingCall(channel.bind_stream(spec)(None, options), requests)
    else:
        every = list(requests)
        if len(every) != 1:
            raise SetupError(f"{spec.full_name} takes one request, and {len(every)} were given")
        if spec.kind is MethodKind.UNARY:
            response = await channel.bind(spec)(every[0], options)
            timings.tell("the call")
            show(response)
            return
        call = BidiStreamingCall(channel.bind_stream(spec)(every[0], options))
    responses = 0
    async with call:
        async for response in call:
            if not responses:
                timings.tell("to the first response")
            responses += 1
            show(response)
    timings.tell(f"the other {responses - 1} responses" if responses else "the call, with no response")


def _requests(spec: "MethodSpec[Any, Any]", data: str | None, codec: "JsonCodec") -> Iterator[Any]:
    from towpath._core.errors import SetupError
    from towpath._wire.json import JsonError

    for number, document in enumerate(_documents(data, several=spec.kind.requests_stream), 1):
        try:
            yield codec.decode(document.encode(), spec.request)
        except JsonError as error:
            which = f"request {number}" if spec.kind.requests_stream else "the request"
            raise SetupError(f"{which} is not the JSON of a {spec.request.DESCRIPTOR.full_name}: {error}") from None


def _documents(data: str | None, *, several: bool) -> Iterator[str]:
    from towpath._core.errors import SetupError

    if data is None:
        yield from () if several else ("{}",)
        return
    if data == "-":
        lines = sys.stdin if several else [sys.stdin.read()]
    elif data.startswith("@"):
        try:
            text = Path(data[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"{data[1:]} cannot be read: {error}") from error
        lines = text.splitlines() if several else [text]
    else:
        lines = data.splitlines() if several else [data]
    yield from (line for line in lines if line.strip())


def _options(timeout: float | None, headers: list[tuple[str, str | bytes]]) -> "CallOptions":
    """The options of a call with `headers`. A header that carries an option becomes that option, and the others become metadata. Raises
    ValueError for a header that cannot be sent."""
    from towpath._core.context import CallOptions
    from towpath._core.propagation.fields import PROPAGATED

    fields = {field.name: field for field in PROPAGATED if field.is_option}
    options: dict[str, Any] = {}
    metadata: list[tuple[str, str | bytes]] = []
    for name, value in headers:
        field = fields.get(name)
        if field is None:
            metadata.append((name, value))
        elif field.attribute in options or not value:
            raise ValueError(f"{name} needs one value; give it once")
        else:
            parsed = field.parse(str(value).encode())
            if parsed is None:
                raise ValueError(f"{name} is {value!r}; give {field.rule}")
            options[field.attribute] = parsed
    return CallOptions(timeout=timeout, metadata=metadata, **options)


def _header(text: str) -> tuple[str, str | bytes]:
    import base64

    from towpath._core.errors import SetupError

    name, colon, value = text.partition(":")
    if not colon:
        raise SetupError(f"--header: {text!r} is not 'name: value'")
    name, value = name.strip().lower(), value.strip()
    return (name, base64.b64decode(value, validate=True)) if name.endswith("-bin") else (name, value)


def _complain(error: "RpcError", form: Form) -> int:
    """Print the error with its details, and return the exit status."""
    from towpath._core.disclosure.marked_fields import without_marked
    from towpath._core.disclosure.redaction import redacted
    from towpath._wire.json import JsonCodec, JsonError

    shown = str if form.marked else redacted
    details: list[tuple[str, str]] = []
    for detail in error.details:
        try:
            text = (
                JsonCodec(print_defaults=form.json_defaults == "print").encode(detail if form.marked else without_marked(detail)).decode()
            )
        except JsonError as fault:  # an Any of a type that this process does not know
            text = str(fault) if not form.as_json else json.dumps(str(fault))
        details.append((detail.DESCRIPTOR.full_name, text))
    if form.as_json:
        told = {
            "code": error.code.name,
            "message": shown(error.message),
            "method": error.method,
            "target": error.target,
            "peer": error.peer,
        }
        listed = [{"type": name, "value": json.loads(text)} for name, text in details]
        sys.stderr.write(json.dumps({**told, "details": listed}) + "\n")
        return _STATUS + error.code
    sys.stderr.write(f"{shown(str(error))}\n")
    for name, text in details:
        sys.stderr.write(f"  {name} {text}\n")
    return _STATUS + error.code
