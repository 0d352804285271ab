"""The call of a record for formats of an application's own."""

import logging

from towpath._telemetry.logs.record_fields import CALL, call_fields


class CallFilter(logging.Filter):
    """A filter of the standard `logging` that rejects nothing. It gives each record the attributes `method`, `tenant`, `trace_id`,
    `span_id` and `request_id` of the call that is being handled, for formats such as `%(trace_id)s`. They are empty outside a call. Add it
    to a handler; where records go through a queue, to the handler before the queue, since the thread behind it knows of no call. An
    attribute that the record has by `extra=` stays."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged: always."""
        call = call_fields()
        for name in CALL:
            if name not in record.__dict__:
                record.__dict__[name] = call.get(name, "")
        return True
