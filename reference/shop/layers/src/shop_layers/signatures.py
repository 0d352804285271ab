"""Who calls: a token names a customer, and a signature with the shop's key shows that the shop has made it.

`SignedIn` looks at the tokens of the calls that a service gets, and makes the customer the tenant of the call. A handler finds it in
`ctx.tenant`, and the calls that the handler makes inherit it. `Signing` puts a token of that customer on those calls. These tokens hold for
ever; those of a shop with a login would end.
"""

import hashlib
import hmac
from collections.abc import Collection
from typing import Any

from towpath import Code, Context, MethodSpec, RpcError
from towpath.layers import Handler


def token_of(customer: str, key: str) -> str:
    """The token with which `customer` calls the shop."""
    return f"{customer}.{hmac.new(key.encode(), customer.encode(), hashlib.sha256).hexdigest()}"


class SignedIn:
    """Rejects calls without a token of the shop. Methods whose names are in `public` are for everybody, and so are health checks: there
    nobody has shown who calls, and `ctx.tenant` is what a caller says that `service.trust` believes."""

    role = "signed_in"

    def __init__(self, key: str, public: Collection[str] = ()) -> None:
        self._key = key
        self._public = public

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a public method."""
        if method.name in self._public or method.service.startswith("grpc."):
            return following

        async def handle(request: Any, ctx: Context) -> Any:
            scheme, _, token = str(ctx.metadata.get("authorization", "")).partition(" ")
            customer = token.rpartition(".")[0]
            if scheme != "Bearer" or not customer or not hmac.compare_digest(token.encode(), token_of(customer, self._key).encode()):
                raise RpcError(Code.UNAUTHENTICATED, "no token of this shop; send the header `authorization: Bearer ...`")
            return await following(request, ctx.replace(tenant=customer))

        return handle


class Signing:
    """Puts a token of the customer for whom a call is made on the call."""

    role = "signing"

    def __init__(self, key: str) -> None:
        self._key = key

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Around every method."""

        async def handle(request: Any, ctx: Context) -> Any:
            token = f"Bearer {token_of(ctx.tenant, self._key)}"
            return await following(request, ctx.replace(metadata=[*ctx.metadata, ("authorization", token)]))

        return handle
