"""The faults, by name: what the model's server does, and what the caller must get all the same."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from tests.chaos.upstream import (
    DONE,
    LAST,
    MODEL,
    STREAM,
    Call,
    Play,
    Upstream,
    black_hole,
    chunk,
    completion,
    error,
    event,
    http,
    nobody,
    piece,
    pieces,
)

PROVEN = "The price of Root Canal Therapy is INR 6,000 to 9,500. [1]"
SAID = f"{PROVEN} It is free on Sundays in the café. [1]"
LIST = http(json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}))
BRIEF_S, AMPLE_S = 1.2, 12.0
ENOUGH_S = 4.0  # to come to the call on a machine with much to do, and no longer
BIG = 50_000_000
MOST, MORE = 1_500, 8_000  # sentences
End = Literal["keep", "close", "reset", "silence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a caller gets.

    Attributes:
        generator: the rung.
        degraded: why it is not the model's.
        calls: the calls for an answer that the model's server had; None: not to be said.
        told: what the log says of it.
    """

    generator: str = "extractive"
    degraded: str | None = "llm_unavailable"
    calls: int | None = 1
    told: str = ""


def by_model(calls: int = 1) -> Outcome:
    """Return that the model's answer is given."""
    return Outcome(generator=f"vllm/{MODEL}", degraded=None, calls=calls)


AWAY = Outcome()
COLD = Outcome(degraded="llm_cold", calls=0)
REJECTED = Outcome(degraded="llm_rejected")
RETRIED = Outcome(calls=3)


def gives(reply: bytes | Callable[[Call], bytes], end: End = "keep") -> Play:
    """Return a play that sends something, and ends so."""

    async def play(call: Call) -> None:
        await call.send(reply(call) if callable(reply) else reply)
        await ended(call, end)

    return play


async def ended(call: Call, end: End) -> None:
    """Leave the connection as it is, close or reset it, or say no more."""
    if end == "close":
        call.writer.close()
    elif end == "reset":
        await asyncio.sleep(0.02)  # what was sent before is to arrive
        call.reset()
    elif end == "silence":
        await call.silence()


def good(call: Call, text: str = SAID, finish: str | None = "stop") -> bytes:
    """Return what a good server says, whole or as a stream."""
    if not call.streams:
        return http(json.dumps(completion(text, finish), ensure_ascii=False))
    return streamed([*pieces(text, finish)])


@cache
def long(streams: bool, sentences: int) -> bytes:
    """Return a good reply of many sentences; made once, for that takes long.

    A piece is a sentence: word by word, a slow machine would reach the deadline before the end.
    """
    said = [f"The price of a crown is INR {n}. [1] " for n in range(sentences)]
    if streams:
        return streamed([*map(piece, said), piece("", "stop")])
    return http(json.dumps(completion("".join(said))))


def streamed(events: list[Any], done: bytes = DONE) -> bytes:
    """Return a stream of events."""
    told = [event(each) for each in events]
    return STREAM + b"".join(chunk(each) for each in [*told, *filter(None, [done])]) + LAST


def half(call: Call) -> bytes:
    """Return a good reply up to its middle: of a stream, in the middle of an event."""
    whole = good(call)
    return whole[: len(whole) * 2 // 3]


def both(whole: object, stream: list[Any]) -> Callable[[Call], bytes]:
    """Return what is JSON where a whole reply is wanted, and a stream of events otherwise."""
    return lambda call: streamed(stream) if call.streams else http(json.dumps(whole))


def first(*plays: Play) -> Play:
    """Return plays for one call after the other; the last is for all that follow."""

    async def play(call: Call) -> None:
        await plays[min(call.nth, len(plays)) - 1](call)

    return play


well = gives(good)
lists = gives(LIST)
is_well = gives(http())
silent = gives(b"", "silence")


def always(status: str, body: str = "", **headers: str) -> Play:
    """Return a play of one status."""
    return gives(http(body, status=status, **headers))


def _drips(data: Callable[[Call], bytes], *, begin: bool = True) -> Play:
    """Send something small again and again, for ever, behind the beginning of a reply."""

    async def play(call: Call) -> None:
        head = STREAM if call.streams else http(b"", content_length="1000000")
        await call.send(head if begin else b"")
        while not call.writer.is_closing():
            each = data(call)
            await call.send(chunk(each) if call.streams and begin else each)
            await asyncio.sleep(0.02)

    return play


async def _a_token_a_minute(call: Call) -> None:
    await call.send(good(call)[:350] if call.streams else b"")
    await call.silence()


async def _hesitates(call: Call) -> None:
    """Say nothing for longer than anybody believes in, then hang up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(6.0):
            await call.silence()
    call.writer.close()


async def _byte_by_byte(call: Call) -> None:
    reply = good(call, PROVEN)
    await call.send(*(reply[at : at + 1] for at in range(len(reply))))


async def _half_a_character(call: Call) -> None:
    reply = good(call)
    at = reply.index("é".encode()) + 1 if "é".encode() in reply else len(reply) // 2
    await call.send(reply[:at])
    await asyncio.sleep(0.05)
    await call.send(reply[at:])


def _ends_in_half_a_character(call: Call) -> bytes:
    if not call.streams:
        return http(json.dumps(completion(SAID)).encode()[:150] + b"\xc3")
    return STREAM + chunk(event(piece(PROVEN))) + chunk(b'data: {"caf\xc3') + LAST


def _not_utf8(call: Call) -> bytes:
    if not call.streams:
        return http(json.dumps(completion(SAID)).replace("free", "fr\xff").encode("latin-1"))
    return streamed([piece(PROVEN), b'{"choices": "\xff\xfe"}', *pieces("", "stop")])


async def _gigantic(call: Call) -> None:
    """Write far more than anybody asked for."""
    if call.streams:
        words = chunk(event(piece("and so on " * 6_000))) * 16
        await call.send(STREAM)
        await call.send(*[words] * (BIG // len(words)), LAST)
        return
    body = json.dumps(completion("@")).encode()
    before, after = body.split(b"@")
    filling = b"and so on " * 100_000
    await call.send(http(b"", content_length=str(len(body) - 1 + BIG)), before)
    await call.send(*[filling] * (BIG // len(filling)), after)


async def _gigantic_list(call: Call) -> None:
    filling = b" " * 1_000_000
    await call.send(http(b"", content_length=str(BIG + 2)), b"{")
    await call.send(*[filling] * (BIG // len(filling)), b"}")


@cache
def bomb(streams: bool) -> bytes:
    """Return fifty megabytes as fifty kilobytes."""
    text = "and so on " * (BIG // 10)
    if streams:
        packed = gzip.compress(event(piece(text)), 1)
        return http(packed, kind="text/event-stream", content_encoding="gzip")
    return http(gzip.compress(json.dumps(completion(text)).encode(), 1), content_encoding="gzip")


def make_ready() -> None:
    """Make what takes long to make, so that no fault is slow for that."""
    for streams in (True, False):
        bomb(streams)
        for sentences in (MOST, MORE):
            long(streams, sentences)


async def _informs(call: Call) -> None:
    while not call.writer.is_closing():
        await call.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        await asyncio.sleep(0.02)


def _deep(call: Call) -> bytes:
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    return STREAM + chunk(event(deep)) + LAST if call.streams else http(deep)


def _usage(**counts: object) -> Play:
    told = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2} | counts
    last = piece("", "stop") | {"choices": [], "usage": told}
    return gives(both(completion(SAID, usage=told), [*pieces(SAID), last]))


def _finishes(reason: str, text: str = SAID) -> Play:
    return gives(lambda call: good(call, text, reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What the server does, and what comes of it.

    Attributes:
        chat: what a call for an answer gets; the server is well otherwise.
        on_connect: what takes the place of everything, as soon as somebody connects.
        where: lends the address that the agent is given, where that is not the server's own.
        stream: what comes of it where the caller listens; None: the same.
        within_s: the caller's deadline; None: it is not what the outcome hangs on.
        at_most: bytes that the caller takes of one reply.
    """

    chat: Play = well
    models: Play = lists
    health: Play = is_well
    on_connect: Play | None = None
    where: Callable[[Upstream], AbstractContextManager[str]] = field(
        default=lambda upstream: nullcontext(upstream.base_url)
    )
    whole: Outcome = AWAY
    stream: Outcome | None = None
    within_s: float | None = None
    at_most: int = 12_000_000

    @property
    def deadline_s(self) -> float:
        """The caller's: who listens to a cold model stays until then, all others are long gone."""
        return self.within_s or (BRIEF_S if self.whole is COLD else AMPLE_S)


def endless(chat: Play) -> Fault:
    """Return a call for an answer that only the caller's deadline ends."""
    return Fault(chat=chat, within_s=ENOUGH_S)


def _elsewhere(url: str) -> Callable[[Upstream], AbstractContextManager[str]]:
    return lambda upstream: nullcontext(url.format(port=upstream.port))


def _all(play: Play) -> dict[str, Play]:
    return {"chat": play, "models": play, "health": play}


_TOO_LONG = error(
    "This model's maximum context length is 2048 tokens. However, you requested 4031 tokens"
    " (3775 in the messages, 256 in the completion). Please reduce the length of the messages.",
    code=400,
)
_CONTENT = [{"type": "text", "text": SAID}]
_BROKEN = SAID.replace("9,500.", "9,500\ud83d.")
_ANOTHER = "A wisdom tooth takes two hours to draw. [99] It is done under full anaesthesia. [0]"
_STALE = first(well, gives(b"", "close"))
_REFUSED_KEY = Outcome(told="LLM_API_KEY")
_WRONG_ADDRESS = Outcome(told="LLM_BASE_URL")

FAULTS: dict[str, Fault] = {
    # nobody there, or nobody who says so
    "connections are refused": Fault(where=nobody, whole=COLD),
    "the host's name is gone": Fault(where=_elsewhere("http://llm.nowhere.invalid/v1"), whole=COLD),
    "packets vanish": Fault(where=black_hole, whole=COLD),
    "accepts and says nothing": Fault(on_connect=silent, whole=COLD),
    "accepts and resets": Fault(on_connect=gives(b"", "reset"), whole=COLD),
    "accepts and closes": Fault(on_connect=gives(b"", "close"), whole=COLD),
    "speaks another protocol": Fault(on_connect=gives(b"SSH-2.0-x\r\n", "close"), whole=COLD),
    "speaks TLS where plain text is expected": Fault(
        on_connect=gives(b"\x15\x03\x03\x00\x02\x02\x28", "close"), whole=COLD
    ),
    "speaks plain text where TLS is expected": Fault(
        where=_elsewhere("https://127.0.0.1:{port}/v1"),
        on_connect=gives(b"HTTP/1.1 400 Bad Request\r\n\r\n", "close"),
        whole=Outcome(calls=0, told="LLM_BASE_URL"),
    ),
    "activator holds, then 504": Fault(
        **_all(always("504 Gateway Timeout", "activator request timeout", kind="text/plain")),
        whole=COLD,
    ),
    "gateway says 503 for ever": Fault(**_all(always("503 Service Unavailable")), whole=COLD),
    "gateway says 404 for ever": Fault(
        **_all(always("404 Not Found", "<h1>404</h1>", kind="text/html")), whole=COLD
    ),
    "falls asleep in the middle of a call": Fault(
        chat=silent,
        models=first(lists, _hesitates),
        whole=Outcome(degraded="llm_cold"),
        within_s=5.0,
    ),
    # breaks off
    "closes before a byte": Fault(chat=gives(b"", "close"), whole=RETRIED),
    "closes once before a byte": Fault(chat=first(gives(b"", "close"), well), whole=by_model(2)),
    "resets before a byte": Fault(chat=gives(b"", "reset")),
    "resets in the headers": Fault(chat=gives(STREAM[:40], "reset")),
    "closes in the headers": Fault(chat=gives(STREAM[:40], "close"), whole=RETRIED),
    "resets in the body": Fault(chat=gives(half, "reset")),
    "closes in the body": Fault(chat=gives(half, "close")),
    "is killed in the middle": Fault(chat=gives(half, "reset"), models=first(lists, _hesitates)),
    "a good reply, then a reset": Fault(
        chat=lambda call: gives(good, "reset" if call.streams else "close")(call), whole=by_model()
    ),
    # slow
    "says nothing": endless(silent),
    "falls silent in the headers": endless(gives(STREAM[:40], "silence")),
    "falls silent in the body": endless(gives(half, "silence")),
    "one token a minute": endless(_a_token_a_minute),
    "one byte at a time": Fault(chat=_byte_by_byte, whole=by_model()),
    "white space for ever": endless(_drips(lambda _: b" ")),
    "comments for ever": endless(_drips(lambda _: b": still here\n\n")),
    "empty pieces for ever": endless(_drips(lambda _: event(piece("")))),
    "informational replies for ever": endless(_informs),
    # characters and JSON
    "half a character at the end of a packet": Fault(chat=_half_a_character, whole=by_model()),
    "half a character at the end": Fault(chat=gives(_ends_in_half_a_character)),
    "no UTF-8": Fault(chat=gives(_not_utf8)),
    "half a surrogate pair": Fault(
        chat=gives(both(completion(_BROKEN), pieces(_BROKEN))),
        whole=by_model(),
    ),
    "no JSON": Fault(chat=gives(lambda c: streamed([b"hello"]) if c.streams else http("hello"))),
    "half of a JSON object": Fault(
        chat=gives(lambda c: streamed([b'{"id": "c']) if c.streams else http('{"id": "c'))
    ),
    "JSON nested without end": Fault(chat=gives(_deep)),
    "a list": Fault(chat=gives(both([], [[]]))),
    "a number": Fault(chat=gives(both(7, [7]))),
    "JSON of another kind": Fault(chat=gives(both({"status": "ok"}, [{"status": "ok"}]))),
    "null for choices": Fault(
        chat=gives(both(completion("") | {"choices": None}, [piece("") | {"choices": None}]))
    ),
    "no choices": Fault(
        chat=gives(both(completion("") | {"choices": []}, [piece("") | {"choices": []}]))
    ),
    "null for content": Fault(chat=gives(both(completion(None), [piece(None, "stop")]))),
    "content in parts": Fault(
        chat=gives(both(completion(_CONTENT), [piece(_CONTENT, "stop")])), whole=by_model()
    ),
    "a number for content": Fault(chat=gives(both(completion(7), [piece(7, "stop")]))),
    "white space for content": Fault(chat=gives(lambda call: good(call, " \n "))),
    "a tool call in place of words": Fault(
        chat=gives(
            both(
                completion(None, "tool_calls")
                | {
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": "tool_calls",
                            "message": {
                                "role": "assistant",
                                "content": None,
                                "tool_calls": [
                                    {
                                        "id": "t",
                                        "type": "function",
                                        "function": {"name": "rm", "arguments": "{}"},
                                    }
                                ],
                            },
                        }
                    ]
                },
                [piece(None, "tool_calls")],
            )
        )
    ),
    "fields twice and fields unknown": Fault(
        chat=gives(
            both(
                completion(SAID, x={"y": [1, None]}, service_tier="?"),
                [piece("", x=1), *pieces(SAID), b'{"id":"a","id":"b","object":"x","choices":[]}'],
            )
        ),
        whole=by_model(),
    ),
    "more tokens than can be counted": Fault(
        chat=_usage(prompt_tokens=10**30, total_tokens=10**30), whole=by_model()
    ),
    "words for a count of tokens": Fault(
        chat=_usage(prompt_tokens="many"), whole=by_model(), stream=AWAY
    ),
    "fewer tokens than none": Fault(chat=_usage(completion_tokens=-5), whole=by_model()),
    # replies of another kind
    "a page of HTML": Fault(
        chat=gives(http("<html><body>Welcome</body></html>", kind="text/html"))
    ),
    "204": Fault(chat=gives(b"HTTP/1.1 204 No Content\r\n\r\n")),
    "200 with nothing": Fault(chat=gives(http())),
    "redirects to itself": Fault(
        chat=always("301 Moved Permanently", location="/v1/chat/completions"), whole=_WRONG_ADDRESS
    ),
    "400": Fault(chat=always("400 Bad Request", error("no such parameter"))),
    "the prompt is too long": Fault(
        chat=always("400 Bad Request", _TOO_LONG), whole=Outcome(told="MAX_CTX_CHARS")
    ),
    "401": Fault(chat=always("401 Unauthorized", error("bad key")), whole=_REFUSED_KEY),
    "401 to all": Fault(**_all(always("401 Unauthorized", "denied")), whole=_REFUSED_KEY),
    "403": Fault(chat=always("403 Forbidden", "RBAC: access denied"), whole=_REFUSED_KEY),
    "no model of that name": Fault(
        chat=always("404 Not Found", error("The model `x` does not exist.", param="model")),
        whole=Outcome(told="LLM_MODEL_NAME"),
    ),
    "404 from the server itself": Fault(
        chat=always("404 Not Found", '{"detail": "Not Found"}'), whole=_WRONG_ADDRESS
    ),
    "405": Fault(chat=always("405 Method Not Allowed"), whole=_WRONG_ADDRESS),
    "408": Fault(chat=always("408 Request Timeout"), whole=RETRIED),
    "413": Fault(chat=always("413 Content Too Large", error("too large"))),
    "422": Fault(chat=always("422 Unprocessable Content", '{"detail": [{"msg": "no"}]}')),
    "429, then well": Fault(
        chat=first(always("429 Too Many Requests", error("slow"), retry_after="1"), well),
        whole=by_model(2),
    ),
    "429 for a year": Fault(chat=always("429 Too Many Requests", retry_after="31536000")),
    "429 for ever": Fault(chat=always("429 Too Many Requests", retry_after="9" * 400)),
    "429 until a date": Fault(
        chat=always("429 Too Many Requests", retry_after="Wed, 21 Oct 2099 07:28:00 GMT"),
        whole=RETRIED,
    ),
    "429 until nonsense": Fault(
        chat=always("429 Too Many Requests", retry_after="-1; soon"), whole=RETRIED
    ),
    "500 once": Fault(
        chat=first(always("500 Internal Server Error", error("oops")), well), whole=by_model(2)
    ),
    "500 always": Fault(chat=always("500 Internal Server Error"), whole=RETRIED),
    "599": Fault(chat=always("599 What"), whole=RETRIED),
    "a status that is none": Fault(chat=gives(b"HTTP/1.1 many OK\r\n\r\n", "close")),
    "502 to answers": Fault(chat=always("502 Bad Gateway", "<h1>502</h1>"), whole=RETRIED),
    "503 without a word, then well": Fault(
        chat=first(*[always("503 Service Unavailable")] * 2, well), whole=by_model(3)
    ),
    "503 with a word, then well": Fault(
        chat=first(*[always("503 Service Unavailable", error("queue is full"))] * 2, well),
        whole=by_model(3),
    ),
    "503 and a Retry-After": Fault(
        chat=always("503 Service Unavailable", error("busy"), retry_after="30")
    ),
    "504 of an activator to answers": Fault(
        chat=always("504 Gateway Timeout", "activator request timeout", kind="text/plain"),
        whole=RETRIED,
    ),
    # streams and lengths
    "ends for its length": Fault(chat=_finishes("length"), whole=by_model()),
    "ends in mid-sentence for its length": Fault(
        chat=_finishes("length", f"{PROVEN} The price of a"), whole=by_model()
    ),
    "a filter ends it": Fault(chat=_finishes("content_filter"), whole=by_model()),
    "a filter leaves nothing": Fault(chat=_finishes("content_filter", "")),
    "a stream without [DONE]": Fault(
        chat=gives(lambda c: streamed(pieces(SAID), b"") if c.streams else good(c)),
        whole=by_model(),
    ),
    "no reason for its end": Fault(
        chat=gives(lambda c: good(c, finish=None)), whole=by_model(), stream=AWAY
    ),
    "an error in a good reply": Fault(
        chat=gives(
            both(
                {"error": {"message": "CUDA out of memory", "code": 500}},
                [*pieces(PROVEN, None), {"error": {"message": "CUDA out of memory", "code": 500}}],
            )
        )
    ),
    "says more than it announced": Fault(
        chat=gives(lambda c: good(c) + b"and then some", "close"), whole=by_model()
    ),
    "says less than it announced": Fault(
        chat=gives(lambda c: good(c)[: -len(LAST) - 9] if c.streams else good(c)[:-9], "close"),
    ),
    "lengths that are none": Fault(
        chat=gives(STREAM + b"zz\r\nhello\r\n", "close"),
    ),
    "two lengths": Fault(
        chat=gives(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}", "close")
    ),
    "HTTP/1.0": Fault(
        chat=gives(
            lambda c: (
                b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
                + b"".join(event(each) for each in pieces(SAID))
                + DONE
                if c.streams
                else b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(completion(SAID)).encode()
            ),
            "close",
        ),
        whole=by_model(),
    ),
    # too much
    "fifty megabytes of text": Fault(chat=_gigantic),
    "more sentences than may be": endless(gives(lambda call: long(call.streams, MORE))),
    "as many sentences as may be": Fault(
        chat=gives(lambda call: long(call.streams, MOST)), whole=REJECTED
    ),
    "three megabytes in one sentence": Fault(
        chat=gives(both(completion("dental " * 500_000), [piece("dental " * 500_000, "stop")]))
    ),
    "fifty megabytes of models": Fault(models=_gigantic_list, whole=COLD),
    "a bomb of zeros": Fault(chat=gives(lambda call: bomb(call.streams))),
    "a gigantic header": Fault(
        chat=gives(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 10_000_000 + b"\r\n\r\n", "close"),
        at_most=5_000_000,
    ),
    "100,000 headers": Fault(
        chat=gives(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000 + b"\r\n", "close")
    ),
    # somebody else
    "other models only": Fault(models=gives(http('{"data": [{"id": "other"}]}')), whole=by_model()),
    "no list of models": Fault(models=gives(http("[null]")), whole=by_model()),
    "nothing loaded yet": Fault(models=gives(http('{"data": []}')), whole=COLD),
    "its health fails": Fault(health=always("503 Service Unavailable"), whole=COLD),
    "answers another question": Fault(
        chat=gives(lambda call: good(call, _ANOTHER)), whole=REJECTED
    ),
    "says that it is somebody else": Fault(
        chat=gives(lambda c: good(c).replace(MODEL.encode(), b"gpt-99999x")),
        whole=by_model(),
    ),
}
