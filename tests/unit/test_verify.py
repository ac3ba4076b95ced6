"""Receipts: whoever has the documents can prove an answer again, and a forged one fails."""

import asyncio
import hashlib
import json
import shutil
import time
from dataclasses import replace

import pytest

from agentic_rag.agent.ask import ask
from agentic_rag.clinic.profile import SHIPPED_PACK, read_clinic
from agentic_rag.domain import Outcome, Question
from agentic_rag.errors import BadReceipt
from agentic_rag.evaluation.cases import SHIPPED_SUITES, GoldenCase, RetrievalCase, read_suite
from agentic_rag.glass.receipts import receipt_for
from agentic_rag.retrieval.passages.loaders import find_files, load
from agentic_rag.safety.wording import dictionary, groups_of
from agentic_rag.verify import Receipt, Versions, read_receipts, verify

DOCUMENTS = SHIPPED_PACK / "documents"
TOUCHED = "treatments.json"


@pytest.fixture(scope="module")
def words():
    return dictionary(groups_of(read_clinic(None).profile.synonyms))


@pytest.fixture(scope="module")
def written(house) -> list[dict]:
    """Receipts of 200 answers with citations, emergencies among them."""
    cases = [*read_suite(SHIPPED_SUITES / "golden.jsonl", GoldenCase)]
    cases += read_suite(SHIPPED_SUITES / "retrieval.jsonl", RetrievalCase)
    titles = [
        section.heading.rpartition(" > ")[2]
        for path in find_files(DOCUMENTS)
        for section in load(path, DOCUMENTS).sections
    ]
    texts = dict.fromkeys(
        [case.question for case in cases if not case.pack]
        + [f"Tell me about {title}" for title in titles if title]
        + [f"How much is {title}?" for title in titles if title]
    )

    async def receipts() -> list[dict]:
        found: list[dict] = []
        for number, text in enumerate(texts):
            if len(found) == 200:
                break
            answer = await ask(Question(text=text), deps=house.deps)
            if answer.citations:
                found.append(receipt_for(replace(answer, request_id=f"r{number}"), at=time.time()))
        return found

    return asyncio.run(receipts())


@pytest.fixture
def one(written) -> dict:
    """A receipt of an answer, to be forged."""
    answered = (each for each in written if each["outcome"] == Outcome.ANSWERED)
    return json.loads(json.dumps(next(answered)))


def verdict_on(receipts, words, folder=DOCUMENTS):
    read = [Receipt.model_validate_json(json.dumps(each)) for each in receipts]
    return verify(read, Versions(folder), words)


def test_the_receipts_of_two_hundred_answers_are_proven(written, words):
    verdict = verdict_on(written, words)

    assert len(written) == 200
    assert verdict.faults == ()
    assert verdict.proven >= 200


def test_where_one_byte_of_a_document_changes_what_cites_it_fails_and_only_that(
    written, words, tmp_path
):
    folder = shutil.copytree(DOCUMENTS, tmp_path / "documents")
    raw = bytearray((folder / TOUCHED).read_bytes())
    raw[-1] ^= 1
    (folder / TOUCHED).write_bytes(raw)

    verdict = verdict_on(written, words, folder)

    touched = [
        (receipt["request_id"], at)
        for receipt in written
        for at, sentence in enumerate(receipt["sentences"], start=1)
        for cited in sentence["citations"]
        if cited["doc_id"] == TOUCHED
    ]
    assert touched
    assert [(fault.request_id, fault.sentence) for fault in verdict.faults] == touched
    assert {fault.why for fault in verdict.faults} == {"the document has changed since"}


def test_a_document_that_is_gone_is_said_to_be(one, words, tmp_path):
    verdict = verdict_on([one], words, tmp_path)

    assert {fault.why for fault in verdict.faults} == {"the document is not here"}


def test_a_document_under_another_name_is_the_same_document(one, words, tmp_path):
    doc_ids = {c["doc_id"] for s in one["sentences"] for c in s["citations"]}
    for number, doc_id in enumerate(doc_ids):
        source = DOCUMENTS / doc_id
        shutil.copy(source, tmp_path / f"moved-{number}{source.suffix}")

    assert verdict_on([one], words, tmp_path).faults == ()


def forged(receipt: dict, **cited: object) -> dict:
    first = next(s for s in receipt["sentences"] if s["citations"])
    first["citations"][0] |= cited
    return receipt


def test_a_forged_quote_does_not_stand_there(one, words):
    verdict = verdict_on([forged(one, quote="Root canals are free.")], words)

    assert verdict.faults[0].why == "the quote does not stand there"


def test_a_forged_digest_is_of_no_document(one, words):
    digest = hashlib.sha256(b"forged").hexdigest()

    assert verdict_on([forged(one, digest=digest)], words).faults


@pytest.mark.parametrize(("start", "end"), [(0, 10**12), (10**12, 10**12 + 5), (5, 2)])
def test_a_place_that_there_is_not_proves_nothing(one, words, start, end):
    assert verdict_on([forged(one, start=start, end=end)], words).faults


@pytest.mark.parametrize(
    "sentence",
    [
        "A root canal costs INR 60.",
        "Root canals are never painful.",
        "Free parking.",
        "",
        "?" * 900,
    ],
)
def test_another_sentence_is_not_carried_by_the_same_quote(sentence, one, words):
    first = next(s for s in one["sentences"] if s["citations"])
    first["text"] = sentence

    assert verdict_on([one], words).faults[0].why == "the quote does not carry it"


def test_a_quote_under_a_no_does_not_carry_a_yes(words, tmp_path):
    text = "# After\n\nDo not:\n\n- eat ice\n- drink hot tea\n"
    (tmp_path / "after.md").write_text(text, "utf-8")
    start = text.index("eat ice")
    cited = {
        "number": 1,
        "label": "after.md",
        "doc_id": "after.md",
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "start": start,
        "end": start + 7,
        "quote": "eat ice",
    }
    said = {"text": "Eat ice.", "citations": [cited]}
    receipt = dict.fromkeys(("request_id", "outcome", "generator"), "x")
    receipt |= {"receipt": 1, "at": 0.0, "index": None, "sentences": [said]}

    assert verdict_on([receipt], words, tmp_path).faults[0].why == "the quote does not carry it"


def test_a_sentence_whose_citation_was_taken_away_is_shown(one, words):
    cited = next(s for s in one["sentences"] if s["citations"])
    cited["citations"] = []

    assert cited["text"] in verdict_on([one], words).uncited


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"receipts": 1}', b'{"receipt": 2}', b"\xff\xfe", b'{"a":' * 5000]
)
def test_what_is_no_receipt_is_refused_by_its_file(raw, tmp_path):
    path = tmp_path / "receipt.json"
    path.write_bytes(raw)

    with pytest.raises(BadReceipt, match=r"receipt\.json"):
        read_receipts(path)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"receipt": 2}, "receipt"),
        ({"receipt": "1"}, "receipt"),
        ({"at": "yesterday"}, "at"),
        ({"sentences": "all"}, "sentences"),
        ({"sentences": [{"text": 1, "citations": []}]}, "text"),
        ({"signed": True}, "signed"),
    ],
)
def test_a_receipt_of_another_form_is_refused_by_its_field(wrong, field, one, tmp_path):
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(one | wrong), "utf-8")

    with pytest.raises(BadReceipt, match=field):
        read_receipts(path)


def test_a_file_that_is_too_large_or_cut_off_or_gone_is_no_receipt(one, tmp_path):
    huge, short = tmp_path / "huge.json", tmp_path / "short.json"
    huge.write_bytes(b" " * 10_000_001)
    short.write_text(json.dumps(one)[:-40], "utf-8")

    for path in (huge, short, tmp_path / "gone.json"):
        with pytest.raises(BadReceipt, match=path.name):
            read_receipts(path)


def test_several_receipts_are_read_from_one_file(one, tmp_path):
    path = tmp_path / "receipts.json"
    path.write_text(json.dumps({"receipts": [one, one]}), "utf-8")

    assert len(read_receipts(path)) == 2


def test_documents_that_are_nowhere_are_said_to_be(tmp_path):
    with pytest.raises(BadReceipt, match="no folder"):
        Versions(tmp_path / "nowhere")
