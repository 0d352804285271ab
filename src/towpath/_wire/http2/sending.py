"""The sending half of a connection: frames out, within the peer's windows.

Data that fits goes out at once. Other data waits in its stream's queue until the peer's WINDOW_UPDATE. The streams that wait then share the
connection's window frame by frame, so that one large message cannot starve the others. Bytes gather in `out` until the transport takes
them, a few times per turn of its loop.
"""

from collections import OrderedDict, deque
from typing import Any, Final

from towpath._wire.hpack import Encoder, literal
from towpath._wire.http.fields import Template
from towpath._wire.http2 import frames
from towpath._wire.http2.errors import ErrorCode
from towpath._wire.http2.frames import DATA, DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, END_STREAM, pack_frame_header
from towpath._wire.http2.limits import Limits
from towpath._wire.http2.overhead import EARNED, SLIVER
from towpath._wire.http2.states import AFTER_RESET, AFTER_SEND_END, AFTER_SEND_FRAME, CLOSED, IDLE, ILLEGAL
from towpath._wire.http2.stream import Stream

_MOST_REMEMBERED_RESETS: Final = 1024

_MOST_RESUMED: Final = 1024 * 1024
"""Bytes that go out in one turn of what waited for the peer's windows. One frame may open the windows of all streams."""

_LEAST_RESUMED: Final = 16 * 1024
"""Bytes that a stream counts as in this, however little waited: its sender, who is told that it has gone, makes the next piece."""


class IllegalSend(Exception):
    """The layer above sent on a stream that cannot take it: a bug of that layer, never of the peer."""


class ResponseTemplate:
    """A response whose body alone changes from call to call."""

    __slots__ = ("head", "trailers")

    def __init__(self, head: Template, trailers: Template) -> None:
        self.head = head
        self.trailers = trailers


class Sender:
    """Streams, the peer's windows, the encoder, and the bytes that wait for the transport."""

    # Connections have slots for speed, not for size: they have more attributes than CPython 3.11 keeps in an instance without a dict of
    # its own (30), and beyond that each access is a look-up by hash.
    __slots__ = (
        "_blocks",
        "_encoder",
        "_resumable",
        "behind",
        "earned",
        "initial_window",
        "limits",
        "out",
        "peer_initial_window",
        "peer_max_frame",
        "reset_here",
        "send_window",
        "starved",
        "streams",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.out: list[bytes | memoryview] = []
        self.streams: dict[int, Stream] = {}
        self.initial_window = limits.stream_window
        self.peer_initial_window = DEFAULT_WINDOW
        self.peer_max_frame = DEFAULT_MAX_FRAME_SIZE
        self.send_window: int = DEFAULT_WINDOW
        self.starved: OrderedDict[Stream, None] = OrderedDict()
        """Streams with data that the connection's window held back, or the end of a turn, in the order of their turns."""
        self.earned: int = 0
        """Tokens that the peer has earned by what it was sent (see `towpath._wire.http2.overhead`)."""
        self.behind = False
        """Whether more has come, or may be sent, than fits in one turn; `go_on` takes the next piece of it."""
        # What may still go out in this turn of what waited. Nothing fills it up but the next turn, so that a frame costs nothing more.
        self._resumable: int = _MOST_RESUMED
        self._encoder = Encoder(max_table_size=limits.max_table)
        self._blocks: dict[object, Any] = self._encoder.recurring
        # Streams that were reset here: frames that the peer had already sent on them are ignored (RFC 9113, section 5.1).
        self.reset_here: dict[int, None] = {}

    def take(self) -> bytes:
        """All bytes that wait to be sent, joined."""
        data = b"".join(self.out)
        self.out.clear()
        return data

    def encode(self, template: Template, literals: bytes = b"") -> bytes:
        """The block of `template`, followed by fields that `wire.hpack.literal` made. The block must be sent: it may have changed the
        table."""
        block: bytes | None = self._blocks.get(template)
        if block is None:
            encoder = self._encoder
            block = encoder.encode_indexed(template.fields)
            if block is None:
                return encoder.encode(template.fields) + literals
            self._blocks[template] = block
        return block + literals if literals else block

    def send_whole(self, stream: Stream, head: bytes, body: bytes, trailers: Template | None, literals: bytes = b"") -> None:
        """Send one half of a whole exchange in one go: head, body, and either trailers (with `literals` appended) or END_STREAM on the
        body."""
        self.send_head(stream, head, end_stream=False)
        if trailers is None:
            self.send_body(stream, body, end_stream=True)
        elif len(body) <= min(stream.send_window, self.send_window):
            self.send_body(stream, body, end_stream=False)
            self.send_head(stream, self.encode(trailers, literals), end_stream=True)
        else:
            # Trailers that wait for their turn must not depend on the table: other blocks are encoded and sent in the meantime.
            plain = b"".join(literal(name, value) for name, value in trailers.fields)
            self.send_body(stream, body, end_stream=False, trailers=plain + literals)

    def send_head(self, stream: Stream, block: bytes, *, end_stream: bool) -> None:
        """Send a head or, with `end_stream`, a response that is its head alone (gRPC's trailers-only)."""
        after = (AFTER_SEND_END if end_stream else AFTER_SEND_FRAME)[stream.state]
        if after == ILLEGAL or stream.queue:
            raise IllegalSend(f"a head cannot be sent on stream {stream.id} in state {stream.state}")
        self.out += frames.header_block(stream.id, block, end_stream=end_stream, max_frame_size=self.peer_max_frame)
        self._moved(stream, after)

    def send_body(self, stream: Stream, body: bytes, *, end_stream: bool, trailers: bytes | None = None) -> None:
        """Send body data, now or when the window allows, then `trailers`, if given, which end the stream. Trailers are a block of literals
        only, since HPACK wants blocks sent in the order in which they were encoded and this one may wait. `stream.queued` tells whether all
        data went out; `stream.drained()` is called when the rest has gone."""
        if end_stream and trailers is not None:
            raise IllegalSend(f"either the data or the trailers end stream {stream.id}, not both")
        if AFTER_SEND_FRAME[stream.state] == ILLEGAL or stream.state == IDLE:
            raise IllegalSend(f"data cannot be sent on stream {stream.id} in state {stream.state}")
        queue = stream.queue
        if queue is None:
            queue = stream.queue = deque()
        elif queue and (queue[-1][1] or queue[-1][2] is not None):
            raise IllegalSend(f"data cannot be sent on stream {stream.id} after its end")
        waiting = bool(queue)
        queue.append((memoryview(body), end_stream, trailers))
        stream.queued += len(body)
        if not waiting:
            self._pump(stream)

    def send_piece(self, stream: Stream, body: bytes) -> None:
        """Send one of many small pieces that do not end the stream, as `send_body` would; nothing but the frame is made where the windows
        allow it."""
        size = len(body)
        room = self.peer_initial_window + stream.own_window
        if stream.queue or size > room or size > self.send_window or size > self.peer_max_frame:
            self.send_body(stream, body, end_stream=False)
            return
        if stream.state == IDLE or AFTER_SEND_FRAME[stream.state] == ILLEGAL:
            raise IllegalSend(f"data cannot be sent on stream {stream.id} in state {stream.state}")
        # INLINED: Sender.send_body
        stream.own_window -= size
        self.send_window -= size
        self.earned += EARNED
        self.out += (pack_frame_header(size << 8 | DATA, 0, stream.id), body)

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """RST_STREAM for a stream that the peer knows; its unsent data is dropped."""
        known = stream.state != IDLE
        self.forget(stream)
        if known:
            self.send_reset(stream.id, code)

    def send_reset(self, stream_id: int, code: ErrorCode) -> None:
        """RST_STREAM, remembered so that what the peer sends before it hears of it is ignored."""
        self.out.append(frames.rst_stream(stream_id, code))
        self.ignore(stream_id)

    def ignore(self, stream_id: int) -> None:
        """Frames that the peer still sends on this stream have no effect, but on flow control and the header table."""
        self.reset_here[stream_id] = None
        if len(self.reset_here) > _MOST_REMEMBERED_RESETS:
            del self.reset_here[next(iter(self.reset_here))]

    def forget(self, stream: Stream) -> None:
        """Drop a stream that is over, without a frame."""
        if stream.state != IDLE:
            stream.state = AFTER_RESET[stream.state]
        if stream.queue:
            self.starved.pop(stream, None)  # else a peer that grants no window and resets its streams could fill it
        stream.queue = None
        stream.queued = 0
        self.streams.pop(stream.id, None)

    def grant(self, stream_id: int, size: int) -> None:
        """Send WINDOW_UPDATE; stream 0 is the connection."""
        self.out.append(frames.window_update(stream_id, size))

    def resume(self, stream: Stream) -> None:
        """Go on sending, since the stream's own window has grown."""
        if not stream.queue:
            return
        if self._resumable > 0:
            before = self.send_window
            self._pump(stream)
            self._resumable -= max(before - self.send_window, _LEAST_RESUMED)
        else:
            self.behind = True
            self.starved.setdefault(stream)

    def resume_own(self) -> None:
        """Go on sending on the streams that waited for their own windows, since the window that every stream is given has grown."""
        for stream in list(self.streams.values()):
            self.resume(stream)

    def resume_all(self) -> None:
        """Let the starved streams take a frame each, in turn, until the connection's window, which has grown, is used up."""
        starved = self.starved
        while starved and self.send_window > 0:
            if self._resumable <= 0:
                self.behind = True
                return
            stream, _ = starved.popitem(last=False)
            if stream.queue:
                before = self.send_window
                self._pump(stream, most_frames=1)
                self._resumable -= max(before - self.send_window, _LEAST_RESUMED)

    def resume_in_turn(self) -> None:
        """Go on sending what did not fit in the turn before."""
        self.behind = False
        self._resumable = _MOST_RESUMED
        self.resume_all()

    def _pump(self, stream: Stream, most_frames: int = 0) -> None:
        """Send what the windows allow of the stream's queue, but at most `most_frames` frames of data unless that is 0."""
        queue = stream.queue
        sent = 0
        while queue:
            body, end_stream, trailers = queue[0]
            size = len(body)
            # Data of no size needs no window, which may be negative.
            room = min(size, stream.send_window, self.send_window, self.peer_max_frame) if size else 0
            if size and (room <= 0 or sent == most_frames > 0):
                # A stream that waits for its own window is resumed by its own WINDOW_UPDATE.
                if stream.send_window > 0:
                    self.starved.setdefault(stream)
                return
            last = room == size
            if size or end_stream:
                flags = END_STREAM if last and end_stream else 0
                self.out += (pack_frame_header(room << 8 | DATA, flags, stream.id), body[:room])
                stream.own_window -= room
                self.send_window -= room
                stream.queued -= room
                self.earned += EARNED if last or room >= SLIVER else -1
                sent += 1
            if not last:
                queue[0] = (body[room:], end_stream, trailers)
                continue
            queue.popleft()
            if trailers is not None:
                self.out += frames.header_block(stream.id, trailers, end_stream=True, max_frame_size=self.peer_max_frame)
            if end_stream or trailers is not None:
                self._moved(stream, AFTER_SEND_END[stream.state])
        stream.drained()

    def _moved(self, stream: Stream, state: int) -> None:
        stream.state = state
        if state == CLOSED:
            self.streams.pop(stream.id, None)
