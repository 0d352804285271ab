"""The reasons of a server's policies and of the limits on its calls and connections."""

from typing import Final

from towpath._app.vocabulary.reason import Reason
from towpath._core.decisions import ADMISSION
from towpath._core.errors import OVER_LIMIT, Code
from towpath._core.http.reply import MISMATCH
from towpath._layers import bulkhead, deadline, quota
from towpath._layers.admission import rejections
from towpath._layers.idempotency import idempotency
from towpath._transport.server import call
from towpath._transport.server.connections import buffer_budget, connection_limits, http2_connection

_OVERLOADED: Final = Code.RESOURCE_EXHAUSTED

_ADMISSION: Final = (
    Reason(
        ADMISSION,
        rejections.CONCURRENCY_LIMIT,
        _OVERLOADED,
        "The event loop is late, and as many calls of the method are under way as the learnt limit allows.",
        "Give the service more processor or more replicas, or keep work that blocks off the event loop.",
    ),
    Reason(
        ADMISSION,
        rejections.LOOP_LAG,
        _OVERLOADED,
        "The event loop has been late for longer than `service.admission.max_lag`.",
        "Look for a handler that computes or blocks on the loop, and move that into a thread with `@towpath.blocking`.",
    ),
    Reason(
        ADMISSION,
        rejections.PRIORITY,
        _OVERLOADED,
        "The server sheds load, and the call's criticality or cohort is below the present threshold.",
        "Add capacity. If the wrong calls are shed, set the criticality of the method in its contract.",
    ),
    Reason(
        ADMISSION,
        rejections.QUEUE_DELAY,
        _OVERLOADED,
        "The call waited too long, or would have been answered after its deadline.",
        "Add capacity, or find out why calls of the method take longer than before.",
    ),
    Reason(
        ADMISSION,
        rejections.QUEUE_FULL,
        _OVERLOADED,
        "As many calls of the method wait as `service.admission.max_queue_length` allows.",
        "Add capacity. A longer queue only makes callers wait for answers that come too late.",
    ),
)

_SERVER: Final = (
    Reason(
        deadline.ROLE,
        deadline.EXPIRED,
        Code.DEADLINE_EXCEEDED,
        "The deadline had passed before the call began, here or at the client. The ErrorInfo names the side.",
        "Give the call more time, or find what has used the time of the call for which it is made.",
    ),
    Reason(
        quota.ROLE,
        quota.RATE_LIMIT,
        _OVERLOADED,
        "The tenant has made more calls of the method than its quota allows.",
        "Call less often, after the pause that the error asks for; or raise `per_second` or `burst` of the table in `[quotas]`.",
    ),
    Reason(
        bulkhead.ROLE,
        bulkhead.BULKHEAD_FULL,
        _OVERLOADED,
        "As many calls of the compartment are under way as it allows.",
        "Raise `max_concurrent` of the table in `[bulkheads]`, if what it protects can bear more.",
    ),
    Reason(
        idempotency.Idempotency.role,
        idempotency.KEY_MISSING,
        Code.INVALID_ARGUMENT,
        "The contract requires an idempotency key, and the call has none.",
        "Send the header `idempotency-key`, or `CallOptions(idempotency_key=...)`: one key for all attempts at one effect.",
    ),
    Reason(
        idempotency.Idempotency.role,
        idempotency.KEY_REUSED,
        Code.FAILED_PRECONDITION,
        "The key came with another request before.",
        "Make a new key for each effect.",
    ),
    Reason(
        idempotency.Idempotency.role,
        idempotency.CONCURRENT_DUPLICATE,
        Code.ABORTED,
        "A call with the same key is under way in another process.",
        "Repeat the call with the same key after the pause that the error asks for; the stored answer comes then.",
    ),
    Reason(
        idempotency.Idempotency.role,
        idempotency.ANSWER_FORGOTTEN,
        Code.FAILED_PRECONDITION,
        "The effect has happened, and the store had no room for its answer any more.",
        "Read what the call did. For the future raise `service.idempotency_memory`, or use a store of its own.",
    ),
    Reason(
        idempotency.Idempotency.role,
        idempotency.STORE_UNAVAILABLE,
        Code.UNAVAILABLE,
        "The store of keys cannot be asked. Within a handler that uses the store's transaction, the transaction was lost.",
        "Bring the store back. Repeat the call with the same key: its effect happens once.",
    ),
    Reason(
        idempotency.Idempotency.role,
        idempotency.REPLAYED,
        None,
        "The caller got the stored answer to its key.",
        "Nothing: keys are for this.",
    ),
    Reason(
        idempotency.Idempotency.role,
        idempotency.ANSWER_NOT_KEPT,
        None,
        "The effect has happened, and its answer could not be stored.",
        "Look at the store, and at the size of the answers: a repetition of the call gets an error in place of the answer.",
    ),
    Reason(
        idempotency.Idempotency.role,
        idempotency.KEYS_EVICTED,
        None,
        "The store in memory forgot keys before their time, for want of room.",
        "Raise `service.idempotency_memory`, or use SQLite, PostgreSQL or Redis.",
    ),
)

_LIMITS: Final = (
    Reason(
        call.ROLE,
        call.MESSAGE_TOO_LARGE,
        _OVERLOADED,
        "A message of a request is larger than `message_limit`, or has more elements than go with it.",
        "Have the caller send less or stream; or raise `message_limit` for the method in `[service.methods]`.",
    ),
    Reason(
        call.ROLE,
        call.TIMEOUT_CAPPED,
        None,
        "The caller asked for more time than `service.max_timeout` gives. It gets that.",
        "Nothing, unless calls end with DEADLINE_EXCEEDED that should not: then raise the timeout in the contract.",
    ),
    Reason(
        call.ROLE,
        http2_connection.TOO_MANY_CALLS,
        Code.UNAVAILABLE,
        "A connection has as many handlers running as it may, and as many again that still clean up after their calls.",
        "Look for handlers that ignore their cancellation.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.TOO_MANY,
        None,
        "A new connection was closed: the server has its total, with calls under way on each.",
        "Raise `service.connections.max_connections` and the limit on open files, or add replicas.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.TOO_MANY_OF_PEER,
        None,
        "A new connection was closed: its host has as many as `service.connections.max_per_peer` allows.",
        "Have the client use fewer connections; or leave the setting out behind a proxy, which is one host.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.NO_FILE_LEFT,
        None,
        "A new connection was closed: the process may not have another file open.",
        "Raise the limit on open files (`ulimit -n`).",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.MADE_ROOM,
        None,
        "An idle connection was closed for a new one, since the server has its total.",
        "Raise `service.connections.max_connections`, or have clients keep fewer idle connections.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.MAX_AGE,
        None,
        "A connection was let go for its age. No call fails.",
        "Nothing: `service.connections.max_age` asks for it.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.HEAD_TIMEOUT,
        None,
        "A client began a preface, frame or head and did not end it in time, or said nothing at all.",
        "Look at the client or the network. Port scanners and health checks of TCP do this too.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.BODY_TIMEOUT,
        Code.DEADLINE_EXCEEDED,
        "A request that is one message did not come whole in time.",
        "Look at the client's network, or raise `service.connections.body_timeout`.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.UNUSED_TIMEOUT,
        None,
        "A connection was closed on which nothing was ever asked.",
        "Nothing: clients connect again when they need to.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.IDLE_TIMEOUT,
        None,
        "A connection was closed that had been without a call for long.",
        "Nothing: clients connect again when they need to.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.KEEPALIVE_TIMEOUT,
        None,
        "A client with calls under way did not answer a ping, so its calls were cancelled.",
        "Look at the network between them: the client is gone or stands still.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.UNREAD_TIMEOUT,
        None,
        "A client was cut off that read nothing of what waited for it.",
        "Look at the client: it stands still, or asks for more than it reads.",
    ),
    Reason(
        connection_limits.ROLE,
        connection_limits.FLOOD,
        None,
        "A client was cut off that did too much of what costs a server and asks for nothing.",
        "Look at the client. If it means well, raise `overhead_burst` and `overhead_per_second`.",
    ),
    Reason(
        connection_limits.ROLE,
        buffer_budget.BUFFERS_FULL,
        _OVERLOADED,
        "The server keeps too many bytes of requests in part and of answers that nobody reads, most of them for this connection.",
        "Have clients read their answers; or raise `service.connections.max_buffered`, if the memory is there.",
    ),
)

_ERRORS: Final = (
    Reason(
        "",
        MISMATCH,
        Code.ABORTED,
        "`If-Match` names another version than the present one. Over REST the status is 412.",
        "Read the resource again, and repeat the change on its new version.",
    ),
    Reason(
        "",
        OVER_LIMIT,
        _OVERLOADED,
        "A message or metadata are larger than their reader takes, a server or a client. The figures say how large, and what the limit is.",
        "Send less, or raise the limit of the reader.",
    ),
)

SERVER_REASONS: Final = (*_ADMISSION, *_SERVER, *_LIMITS, *_ERRORS)
"""The reasons that a server gives, role by role."""
