"""One connection from accept to close: request by request, with the faults that the script asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from .journal import Journal, Record
from .messages import Ending, Framing, Reply, Request, Wait
from .rules import EarlyReply, ResetIntake
from .script import Cast, Script
from .wire import LAST_CHUNK, PIECE, Body, Channel, ClientGoneError, bodiless, body_of, framed, head_of

_POLL = 0.02


class Application(Protocol):
    """What a server does when no fault intervenes."""

    def admit(self, request: Request) -> Reply | None:
        """A refusal by authorization, decided from the head alone; None lets the request in."""

    def answer(self, request: Request) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """What all connections of one server share."""

    application: Application
    journal: Journal
    script: Script
    closing: threading.Event

    def hold(self, wait: Wait) -> None:
        """Wait as asked; closing the server ends any wait."""
        if isinstance(wait, threading.Event):
            while not wait.is_set() and not self.closing.is_set():
                wait.wait(_POLL)
        else:
            self.closing.wait(wait)


class Exchange:
    """The requests of one connection, one after the other."""

    def __init__(self, channel: Channel, connection: int, stage: Stage) -> None:
        self._channel, self._connection, self._stage = channel, connection, stage

    def run(self) -> None:
        """Serve until either side is done."""
        while not self._stage.closing.is_set() and self._serve_one():
            pass

    def _serve_one(self) -> bool:
        """Serve one request; False when the connection is to be closed."""
        head = self._channel.read_head()
        if head is None:
            return False
        record = self._stage.journal.open(self._connection, head)
        try:
            ending = self._play(record)
        except (ClientGoneError, OSError):
            self._stage.journal.close(record, "client gone")
            raise
        if ending is Ending.RESET:
            self._channel.reset()
        return ending is Ending.KEEP and (record.headers.get("Connection") or "").lower() != "close"

    def _play(self, record: Record) -> Ending:
        request = record.request
        refusal = self._stage.application.admit(request)
        cast = self._stage.script.cast(request, admitted=refusal is None)
        self._hold(cast, before_body=True)
        body = self._channel.body(request.headers)
        for rule in cast.rules:
            match rule.intake:
                case ResetIntake(after):
                    return self._reset(record, body, after, cast)
                case EarlyReply(reply, after, ending):
                    return self._reply_early(record, body, rule.edited(request, reply), after, ending, cast)
        self._channel.invite_body(request.headers)
        request = replace(request, body=self._read(record, body))
        self._hold(cast, before_body=False)
        return self._deliver(record, self._reply(cast, request, refusal))

    def _hold(self, cast: Cast, *, before_body: bool) -> None:
        for rule in cast.rules:
            for hold in rule.holds:
                if hold.before_body is before_body:
                    self._stage.hold(hold.wait)

    def _read(self, record: Record, body: Body) -> bytes:
        whole = bytearray()
        for piece in body.pieces():
            record.took(piece)
            whole += piece
        return bytes(whole)

    def _read_some(self, record: Record, body: Body, limit: int) -> None:
        while record.body_length < limit and (piece := body.read(min(PIECE, limit - record.body_length))):
            record.took(piece)

    def _reset(self, record: Record, body: Body, after: int, cast: Cast) -> Ending:
        self._channel.invite_body(record.headers)
        self._read_some(record, body, after)
        _run_hooks(cast, record.request)
        self._stage.journal.close(record, "reset")
        return Ending.RESET

    def _reply_early(self, record: Record, body: Body, reply: Reply, after: int, ending: Ending, cast: Cast) -> Ending:
        if after:
            self._channel.invite_body(record.headers)
            self._read_some(record, body, after)
        _run_hooks(cast, record.request)
        self._deliver(record, replace(reply, delivery=replace(reply.delivery, ending=ending)))
        if ending is Ending.KEEP and "Expect" not in record.headers:
            self._read(record, body)
        elif ending is Ending.CLOSE:
            self._channel.finish_gently()
        return ending

    def _reply(self, cast: Cast, request: Request, refusal: Reply | None) -> Reply:
        """The scripted answer, else a quirk's, else the honest one; quirks edit only what the script did not answer."""
        seen = request
        for rule in cast.rules:
            seen = rule.visible(seen)
        scripted = cast.scripted
        reply = scripted.answer(seen) if scripted and scripted.answer else self._own_reply(cast, seen, refusal)
        if scripted:
            reply = scripted.edited(request, reply)
        _run_hooks(cast, request)
        return reply

    def _own_reply(self, cast: Cast, request: Request, refusal: Reply | None) -> Reply:
        answer = next((rule.answer for rule in cast.quirks if rule.answer), None)
        reply = answer(request) if answer else refusal or self._stage.application.answer(request)
        for quirk in cast.quirks:
            reply = quirk.edited(request, reply)
        return reply

    def _deliver(self, record: Record, reply: Reply) -> Ending:
        delivery = reply.delivery
        if delivery.silent:
            self._stage.journal.close(record, "hung up")
            return delivery.ending
        whole = delivery.cut_after is None and delivery.raw is None
        self._stage.journal.close(record, "replied" if whole else "cut", reply.status)
        if delivery.raw is not None:
            self._channel.send(delivery.raw)
            return delivery.ending
        self._channel.send(head_of(reply))
        self._send_body(record.method, reply)
        return Ending.CLOSE if delivery.framing is Framing.UNTIL_CLOSE and whole else delivery.ending

    def _send_body(self, method: str, reply: Reply) -> None:
        delivery, sent = reply.delivery, 0
        for piece in _pieces(body_of(method, reply), delivery.stall_after, delivery.cut_after):
            if sent == delivery.stall_after and delivery.stall is not None:
                self._stage.hold(delivery.stall)
            self._channel.send(framed(piece, delivery.framing))
            sent += len(piece)
        if delivery.framing is Framing.CHUNKED and delivery.cut_after is None and not bodiless(method, reply):
            self._channel.send(LAST_CHUNK)


def _run_hooks(cast: Cast, request: Request) -> None:
    for rule in cast.rules:
        for hook in rule.hooks:
            hook(request)


def _pieces(body: bytes, *marks: int | None) -> Iterator[memoryview]:
    """The body in pieces of bounded size that also end at the marks; the last mark given cuts it."""
    view = memoryview(body)
    end = len(view) if marks[-1] is None else min(marks[-1], len(view))
    stops = {mark for mark in marks if mark is not None and 0 < mark < end} | {*range(PIECE, end, PIECE)} | {end}
    start = 0
    for stop in sorted(stops):
        if stop > start:
            yield view[start:stop]
        start = stop
