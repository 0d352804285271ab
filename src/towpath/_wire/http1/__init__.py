"""HTTP/1.1 on the server's side, without IO."""

from towpath._wire.http1.connection import Http1Connection
from towpath._wire.http1.limits import Http1Limits
from towpath._wire.http1.stream import Http1ConnectionDelegate, Http1Stream

__all__ = ["Http1Connection", "Http1ConnectionDelegate", "Http1Limits", "Http1Stream"]
