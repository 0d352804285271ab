"""OTLP over HTTP/1.1, against a server that answers well, badly and not at all."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme

from tests.telemetry.otlp.collector import Reply, closes, collector, is_silent, partial, response
from towpath._telemetry.otlp.http_sender import HttpSender
from towpath._telemetry.otlp.options import Endpoint
from towpath._telemetry.otlp.sender import Answer, ExportError
from towpath._telemetry.otlp.spans import request, scope_spans

REQUEST = request(b"", scope_spans("1"), [])
LONG = 60.0


def sender(port: int, **changed: object) -> HttpSender:
    return HttpSender(Endpoint("127.0.0.1", port, "/v1/traces"), **changed)  # pyright: ignore[reportArgumentType] - of the tests below


async def test_requests_go_over_one_connection_and_are_what_opentelemetry_wants() -> None:
    async with collector() as one:
        way = sender(one.port, headers=(("authorization", "Basic abc"),))
        for _ in range(3):
            assert await way.send(REQUEST, LONG) == Answer()
        await way.close()
        assert (len(one.requests), one.connections) == (3, 1)
        assert one.heads[0] == {
            "": "POST /v1/traces HTTP/1.1",
            "host": f"127.0.0.1:{one.port}",
            "user-agent": "towpath",
            "content-type": "application/x-protobuf",
            "authorization": "Basic abc",
            "content-length": str(len(REQUEST)),
        }


async def test_a_request_is_compressed_if_wanted() -> None:
    async with collector() as one:
        way = sender(one.port, compress=True)
        await way.send(REQUEST, LONG)
        await way.close()
        assert one.heads[0]["content-encoding"] == "gzip"
        assert one.requests[0].SerializeToString() == REQUEST


async def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    async with collector() as one:
        way = sender(one.port)
        await way.send(REQUEST, LONG)
        one.replies = [closes, response()]
        assert await way.send(REQUEST, LONG) == Answer()
        assert one.connections == 2
        one.replies = [response(connection="close"), response()]
        await way.send(REQUEST, LONG)
        await way.send(REQUEST, LONG)
        assert one.connections == 3
        await way.close()


async def test_a_collector_says_how_many_spans_it_does_not_keep() -> None:
    async with collector() as one:
        way = sender(one.port)
        one.replies = [partial(3, "too old"), partial(0, "upgrade soon"), response("202 Accepted")]
        assert await way.send(REQUEST, LONG) == Answer(3, "too old")
        assert await way.send(REQUEST, LONG) == Answer(0, "upgrade soon")
        assert await way.send(REQUEST, LONG) == Answer()
        await way.close()


async def chunked(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = partial(2).partition(b"\r\n\r\n")[2]
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    for index in range(len(answer)):
        writer.write(answer[index : index + 1])
        await writer.drain()


async def until_the_end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + partial(2).partition(b"\r\n\r\n")[2])
    writer.close()
    await writer.wait_closed()
    raise ConnectionResetError


@pytest.mark.parametrize("reply", [chunked, until_the_end], ids=["chunked", "until the end"])
async def test_an_answer_may_come_in_any_form(reply: Reply) -> None:
    async with collector() as one:
        way = sender(one.port)
        one.replies = [reply]
        assert await way.send(REQUEST, LONG) == Answer(2)
        await way.close()


async def cut_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
    await closes(_, writer)


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def drips(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx")
    await is_silent(_, writer)


@pytest.mark.parametrize(
    ("reply", "error_type", "is_retryable", "after"),
    [
        (response("503 Service Unavailable", retry_after="3600"), "503", True, 3600.0),
        (response("429 Too Many", retry_after="0"), "429", True, 0.0),
        (response("502 Bad Gateway"), "502", True, None),
        (response("504 Gateway Timeout", retry_after="soon"), "504", True, None),
        (response("503 No", retry_after="9" * 400), "503", True, 9_999_999_999.0),
        (response("503 No", retry_after="Thu, 01 Jan 1970 00:00:00 GMT"), "503", True, 0.0),
        (response("400 Bad Request"), "400", False, None),
        (response("401 Unauthorized"), "401", False, None),
        (response("413 Too Large"), "413", False, None),
        (response("301 Moved", location="http://elsewhere/"), "301", False, None),
        (response("500 Internal"), "500", False, None),
        (response(body=b"<html>"), "malformed_answer", False, None),
        (response(body=b"\x0a\x05ab"), "malformed_answer", False, None),
        (response(body=b"\x08\x05"), "malformed_answer", False, None),
        (b"HTTP/9.9 nonsense\r\n\r\n", "malformed_answer", True, None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "malformed_answer", True, None),
        (closes, "connection", True, None),
        (cut_off, "connection", True, None),
        (endless, "connection", True, None),
    ],
)
async def test_what_is_no_success_says_whether_to_come_again(
    reply: Reply, error_type: str, is_retryable: bool, after: float | None
) -> None:
    async with collector() as one:
        way = sender(one.port)
        one.replies = [reply]
        with pytest.raises(ExportError) as caught:
            await way.send(REQUEST, LONG)
        assert (caught.value.error_type, caught.value.is_retryable, caught.value.after) == (error_type, is_retryable, after)
        assert await way.send(REQUEST, LONG) == Answer()
        await way.close()


async def test_a_date_to_come_again_is_seconds_from_now() -> None:
    async with collector() as one:
        way = sender(one.port)
        one.replies = [response("503 No", retry_after=format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True))]
        with pytest.raises(ExportError) as caught:
            await way.send(REQUEST, LONG)
        assert caught.value.after is not None
        assert 6000 < caught.value.after < 7300
        await way.close()


@pytest.mark.parametrize("reply", [is_silent, drips], ids=["silent", "drips"])
async def test_a_collector_that_does_not_answer_in_time_is_left(reply: Reply) -> None:
    async with collector() as one:
        way = sender(one.port)
        one.otherwise = reply
        with pytest.raises(ExportError, match=r"^no answer within 0\.05 s$"):
            await way.send(REQUEST, 0.05)
        one.otherwise = response()
        assert await way.send(REQUEST, LONG) == Answer()
        await way.close()


async def test_a_collector_that_is_not_there(port: int) -> None:
    way = sender(port)
    with pytest.raises(ExportError, match="refused") as caught:
        await way.send(REQUEST, LONG)
    assert caught.value.is_retryable
    await way.close()


async def test_a_request_that_is_cancelled_leaves_no_half_of_an_answer_behind() -> None:
    async with collector() as one:
        way = sender(one.port)
        one.replies = [is_silent]
        task = asyncio.ensure_future(way.send(REQUEST, LONG))
        await one.asked.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await way.send(REQUEST, LONG) == Answer()
        assert one.connections == 2
        await way.close()


async def test_spans_go_over_tls_to_a_collector_whose_certificate_is_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with collector(served) as one:
        at = Endpoint("127.0.0.1", one.port, "/v1/traces", is_secure=True)
        way = HttpSender(at, tls=ssl.create_default_context(cafile=tmp_path / "ca.pem"))
        assert await way.send(REQUEST, LONG) == Answer()
        await way.close()
        stranger = HttpSender(at, tls=ssl.create_default_context())
        with pytest.raises(ExportError, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
            await stranger.send(REQUEST, LONG)
