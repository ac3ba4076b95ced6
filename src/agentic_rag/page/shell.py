"""The page's shell: what happens when somebody types, clicks or leaves. The only room of Gradio."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Literal

import gradio as gr
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentic_rag.domain import Answer, Event, StepBegun
from agentic_rag.page.chat import Chat, Exchange
from agentic_rag.page.doors import Cited, Clinic, Doors, Unheard
from agentic_rag.page.look import HERE, conversation, head

PATH = "/ui"
_MOST_CHARS = 4000  # as MAX_QUESTION_CHARS is by default; the server has the last word
_FONTS = ["system-ui", "sans-serif"]
_CLEAR = """(...told) => {
  const box = document.querySelector("#question textarea");
  box.value = "";
  box.dispatchEvent(new Event("input"));
  return told;
}"""
"""Clears the box in the browser, and at once: what is typed while a reply is on its way stays."""
_ICON = '<link rel="icon" href="data:,">'


class _CitedBody(BaseModel):
    """What a browser sends of a citation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    doc_id: str = Field(min_length=1, max_length=1000)
    section: str = Field(max_length=1000)
    quote: str = Field(min_length=1, max_length=20_000)


class _RatingBody(BaseModel):
    """What a browser sends of a rating."""

    model_config = ConfigDict(extra="forbid", strict=True)

    turn: int = Field(ge=0)
    rating: Literal["up", "down"]
    comment: str = Field("", max_length=1000)


class Desk:
    """Stands between the browser and the server's doors."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._clinic = Clinic()

    async def greet(self) -> str:
        """Return the top of the page, with the clinic's name as soon as it is known."""
        with suppress(Unheard):  # what was known stands, and the page works without it
            self._clinic = await self._doors.clinic()
        return head(self._clinic)

    async def take(self, question: str, chat: Chat) -> str:
        """Take a question down; async, or Gradio would do it in a thread."""
        if isinstance(question, str) and question.strip():
            chat.take(question.strip())
        return self.shown(chat)

    async def answer(self, chat: Chat) -> AsyncGenerator[str, None]:
        """Yield the conversation whenever there is more of the answer."""
        exchanges = chat.exchanges  # which stay here when the conversation is begun anew
        at = len(exchanges) - 1
        if at < 0 or not exchanges[at].is_new:  # said nothing, or asked twice at once
            yield self.shown(chat)  # for what `take` had shown may be older than what is there
            return
        exchanges[at] = exchanges[at].heard(StepBegun(step="triage"), time.monotonic())
        question, history = exchanges[at].question, chat.history()
        asking = self._doors.ask(question, session=chat.session, history=history)
        more = asyncio.Event()
        chat.listening = listening = asyncio.create_task(_listen(asking, exchanges, at, more))
        listening.add_done_callback(lambda _: more.set())
        try:
            is_open = True
            while is_open:
                await more.wait()
                more.clear()
                is_open = exchanges[at].is_open  # before Gradio takes its time over what is shown
                yield self.shown(chat)  # and shows the last of it once more at the end
        finally:
            listening.cancel()  # whoever left the page waits no longer either

    async def renew(self, chat: Chat) -> str:
        """Begin a new conversation, and have the old one forgotten."""
        if session := chat.renew():
            self._doors.forget(session)
        return self.shown(chat)

    async def rate(self, chat: Chat, told: gr.EventData) -> str:
        """Pass a rating on, and say what became of it."""
        with suppress(ValidationError, IndexError):
            body = _RatingBody.model_validate(told._data)
            rated = chat.exchanges[body.turn]
            if rated.answer:
                chat.exchanges[body.turn] = await self._rated(rated, rated.answer, body)
        return self.shown(chat)

    async def _rated(self, rated: Exchange, answer: Answer, body: "_RatingBody") -> Exchange:
        try:
            await self._doors.rate(answer.request_id, body.rating, body.comment)
        except Unheard as error:
            return replace(rated, thanks=str(error))
        thanks = "Thank you for telling us." if body.comment else "Thank you."
        return replace(rated, rating=body.rating, thanks=thanks)

    async def passage(self, cited: object) -> dict[str, str]:
        """Return the text around a quote, in three parts; or why there is none."""
        try:
            body = _CitedBody.model_validate(cited)
            text = await self._doors.passage(Cited(**body.model_dump()))
        except (ValidationError, Unheard):
            return {"trouble": "The whole passage cannot be shown at the moment."}
        if text is None:
            return {"trouble": "The document has changed since; this is what was quoted."}
        before, _, after = text.partition(body.quote)
        return {"before": before, "after": after}

    def shown(self, chat: Chat) -> str:
        """Return the conversation as it stands."""
        return conversation(chat.exchanges, self._clinic, time.monotonic())


async def _listen(
    asking: AsyncGenerator[Event, None], exchanges: list[Exchange], at: int, more: asyncio.Event
) -> None:
    """Write down what is told of an exchange, and that there is more to show."""
    try:
        async with aclosing(asking) as events:
            async for event in events:
                exchanges[at] = exchanges[at].heard(event, time.monotonic())
                more.set()
    except Unheard as error:
        exchanges[at] = exchanges[at].ended(str(error))
    finally:
        exchanges[at] = exchanges[at].ended()


def build(desk: Desk) -> gr.Blocks:
    """Lay the page out, and say which of the desk's hands each button moves."""

    async def passage(cited: object) -> dict[str, str]:  # Gradio marks it, and can no method
        return await desk.passage(cited)

    with gr.Blocks(analytics_enabled=False, title="Ask the clinic", fill_width=True) as blocks:
        chat = gr.State(Chat())  # Gradio drops it an hour after the page was closed
        with gr.Row(elem_id="top"):
            top = gr.HTML(elem_id="clinic", js_on_load=_script("top.js"), apply_default_css=False)
            new = gr.Button("New conversation", elem_id="new", size="sm")
        said = gr.HTML(
            desk.shown(Chat()),
            elem_id="conversation",
            js_on_load=_script("conversation.js"),
            server_functions=[passage],
            apply_default_css=False,
        )
        with gr.Row(elem_id="asking"):
            box = gr.Textbox(
                label="Your question",
                placeholder="How much is a filling?",
                lines=1,
                max_lines=6,
                max_length=_MOST_CHARS,
                autofocus=True,
                elem_id="question",
            )
            send = gr.Button("Send", variant="primary", elem_id="send")

        # who asks again while an answer is under way, has an emergency perhaps: nobody waits
        private = {"api_visibility": "private", "show_progress": "hidden"}
        at_once = private | {"queue": False, "trigger_mode": "multiple"}
        asked = gr.on([send.click, box.submit], desk.take, [box, chat], said, js=_CLEAR, **at_once)
        asked.then(
            desk.answer, chat, said, concurrency_limit=None, trigger_mode="multiple", **private
        )
        new.click(desk.renew, chat, said, js=_CLEAR, **at_once)
        said.rate(desk.rate, chat, said, **at_once)
        blocks.load(desk.greet, None, top, **at_once)
    return blocks


def mount(app: FastAPI, desk: Desk) -> None:
    """Hang the page into an app: no footer, no history in the browser, no fonts of others."""
    gr.mount_gradio_app(
        app,
        build(desk),
        path=PATH,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        theme=gr.themes.Base(font=_FONTS, font_mono=["monospace"]),
        head=f"{_ICON}<style>{(HERE / 'page.css').read_text('utf-8')}</style>",
    )


def _script(name: str) -> str:
    return (HERE / name).read_text("utf-8")
