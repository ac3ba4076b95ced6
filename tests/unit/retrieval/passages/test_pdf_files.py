"""PDF: pages of whole sentences; what cannot be read of one is told and takes nothing along."""

import io
import logging

import pytest
from fpdf import FPDF
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject
from tests.unit.retrieval.passages.reading import labels, parts

from agentic_rag.retrieval.passages.documents import Document, Skipped
from agentic_rag.retrieval.passages.pdf_files import read_pdf

SENTENCES = (
    "Before any treatment the dentist explains the benefits and the risks, and answers your "
    "questions about them. You may withdraw your consent at any time, and nothing will be held "
    "against you for it. The consent form is kept with your record for ten years."
)


def printed(*pages: str) -> bytes:
    """Return a PDF with these pages, each line broken where the page ends."""
    made = FPDF()
    made.set_font("Helvetica", size=12)
    for text in pages:
        made.add_page()
        if text:
            made.multi_cell(0, text=text, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def of_lines(*lines: str) -> bytes:
    """Return a PDF of one page with exactly these lines."""
    made = FPDF()
    made.add_page()
    made.set_font("Helvetica", size=10)
    for line in lines:
        made.cell(text=line, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def encrypted(content: bytes, password: str, algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def with_page_content(content: bytes, page: int, drawing: bytes) -> bytes:
    """Return the PDF with other drawing operators on a page."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    stream = DecodedStreamObject()
    stream.set_data(drawing)
    writer.pages[page][NameObject("/Contents")] = writer._add_object(stream)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


# --- what is read -------------------------------------------------------------------------


def test_a_page_is_a_section(read):
    document = read("forms/consent.pdf", printed("Page one.", "", "Page three."))

    assert labels(document) == ["forms/consent.pdf#page=1", "forms/consent.pdf#page=3"]
    assert parts(document) == ["Page one.", "Page three."]
    assert document.skipped == ()


def test_lines_are_joined_into_whole_sentences():
    assert read_pdf(printed(SENTENCES)).text == SENTENCES


@pytest.mark.parametrize(
    "lines",
    [
        ["Prices", "Scaling: INR 1,500", "Filling: INR 2,000"],
        ["After the visit", "- Rinse gently", "- Rest for a day", "2. Call us if it bleeds"],
        ["Scaling 1,500", "Filling 2,000", "Crown 9,000"],
    ],
)
def test_short_lines_are_left_alone(lines):
    assert read_pdf(of_lines(*lines)).text.splitlines() == lines


def test_a_heading_below_a_paragraph_is_a_line_of_its_own():
    long = "This sentence goes on and on, until the line is as full as a line can be of words."

    assert read_pdf(of_lines(long, long, "Fees", long)).text == f"{long} {long}\nFees\n\n{long}"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["A root canal treat-", "ment takes an hour."], "A root canal treatment takes an hour."),
        (["Come for a follow-", "up."], "Come for a follow-up."),
        (["It is long-", "term. The long-term view."], "It is long-term. The long-term view."),
        (["One anaes-", "thetic, no anaesthetic."], "One anaesthetic, no anaesthetic."),
        (["from 9 to 5 -", "and later"], "from 9 to 5 - and later"),
        (["X-", "Ray is taken"], "X-\nRay is taken"),
    ],
)
def test_a_word_that_was_cut_at_a_lines_end_is_mended(lines, text):
    assert read_pdf(of_lines(*lines)).text == text


def test_the_parts_stand_where_the_sections_say():
    content = read_pdf(printed(*[f"Page {n}. {SENTENCES}" for n in range(1, 8)]))

    for number, section in enumerate(content.sections, start=1):
        text = content.text[section.start : section.end]
        assert section.slug == f"page={number}"
        assert text == f"Page {number}. {SENTENCES}"


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_an_encrypted_document_that_opens_without_a_password_is_read(algorithm):
    assert read_pdf(encrypted(printed("Rest."), "", algorithm)).text == "Rest."


# --- what cannot be read ------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_an_encrypted_document_is_reported_as_such(read, algorithm):
    loaded = read("a.pdf", encrypted(printed("Rest."), "secret", algorithm))

    assert loaded == Skipped("a.pdf", "is encrypted; save it without its password")


@pytest.mark.parametrize("pages", [[""], ["", "", ""]])
def test_a_scan_is_reported_as_such(read, pages):
    assert read("a.pdf", printed(*pages)) == Skipped("a.pdf", "has no text (scanned?)")


def test_a_scanned_page_among_others_is_told(read):
    made = FPDF()
    made.set_font("Helvetica", size=12)
    made.add_page()
    made.multi_cell(0, text="Page one.")
    made.add_page()
    made.image(Image.new("L", (40, 40)), w=100)
    made.add_page()

    document = read("a.pdf", bytes(made.output()))

    assert labels(document) == ["a.pdf#page=1"]
    assert document.skipped == (Skipped("a.pdf#page=2", "has no text (scanned?)"),)


def test_one_broken_page_does_not_lose_the_others(read):
    whole = printed("Page one.", "Page two.", "Page three.")

    document = read("a.pdf", with_page_content(whole, 1, b"(a) Tj " * 600_000))

    assert parts(document) == ["Page one.", "Page three."]
    assert [each.doc_id for each in document.skipped] == ["a.pdf#page=2"]
    assert "cannot be read" in document.skipped[0].reason


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7",
        b"%PDF-1.7\n%%EOF",
        b"<html>not a PDF</html>",
        b"\0" * 5000,
        b"%PDF-1.7\n" + b"1 0 obj\n<<" * 20_000,
        b"%PDF-1.7\nxref\n0 99999999\ntrailer<</Root 1 0 R/Size 99999999>>\nstartxref\n9\n%%EOF",
    ],
    ids=["head", "ends", "html", "zeros", "objects", "xref"],
)
def test_a_broken_document_is_reported_by_name(read, content):
    loaded = read("a.pdf", content)

    assert isinstance(loaded, Skipped)
    assert "PDF" in loaded.reason or "text" in loaded.reason


def test_a_document_that_was_cut_off_is_read_or_reported(read):
    whole = printed(*[f"Page {n}. {SENTENCES}" for n in range(9)])

    for size in range(0, len(whole), 701):
        loaded = read("a.pdf", whole[:size] or b"%")
        assert isinstance(loaded, Document) or loaded.reason


PRINTED = printed("Page one.", "Page two.")


@given(st.integers(0, len(PRINTED) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_document_is_read_or_refused(at, damage):
    try:
        content = read_pdf(PRINTED[:at] + damage + PRINTED[at + len(damage) :])
    except ValueError as error:
        assert str(error)
    else:
        content.text.encode()


def test_what_unpacks_without_end_is_stopped(read):
    made = FPDF()
    made.set_compression(True)
    made.add_page()
    made._out(" " * 60_000_000)

    loaded = read("a.pdf", bytes(made.output()))

    assert isinstance(loaded, Skipped)


def test_the_library_tells_the_log_nothing(read, caplog):
    caplog.set_level(logging.DEBUG)

    read("a.pdf", PRINTED.replace(b"startxref", b"startxxxx").replace(b" 0 obj", b" 1 obj"))
    read("b.pdf", b"%PDF-1.7\n%%EOF")

    assert [record for record in caplog.records if record.name.startswith("pypdf")] == []
