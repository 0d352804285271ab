"""What an error of a call says to its caller beside its code and message: which call it was, and none of the layers that it passed.

It is no layer of its own. A layer that is there for every call, and has its errors in its hands, calls `tell_where`. So a call that
succeeds pays nothing.
"""

from towpath._core.context import Context
from towpath._core.disclosure.tracebacks import without_own_frames
from towpath._core.errors import RpcError, locate


def tell_where(target: str, error: BaseException, ctx: Context) -> None:
    """Let the RpcError of a call to `target` know its call, and take the frames of towpath out of its traceback. Any other error is a bug,
    and stays as it is. The code that calls this has to raise the error again with a bare `raise`, which adds no frame."""
    if isinstance(error, RpcError):
        locate(error, ctx.method, target, ctx.peer)
        error.__traceback__ = without_own_frames(error.__traceback__)
