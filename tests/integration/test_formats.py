"""Every kind of file: indexed with the real embedder, and found under the right label."""

import io
import json

import docx
import pytest
from fpdf import FPDF

from agentic_rag.bootstrap.house import build_house
from agentic_rag.bootstrap.indexing import ingest_folder


def consent_pdf() -> bytes:
    made = FPDF()
    made.set_font("Helvetica", size=12)
    for text in ("Consent for treatment", "You may withdraw your consent at any time."):
        made.add_page()
        made.multi_cell(0, text=text)
    return bytes(made.output())


def fees_docx() -> bytes:
    made = docx.Document()
    made.add_heading("Fees", level=1)
    made.add_heading("Whitening", level=2)
    table = made.add_table(2, 2)
    for row, texts in enumerate((("Home kit", "INR 8,000"), ("At the clinic", "INR 12,000"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


FILES = {
    "faq.md": b"# Faq\n\n## Is there parking?\n\nParking is free behind the house.\n",
    "notes/braces.txt": b"Brush around each bracket after every meal.\n",
    "treatments.json": json.dumps(
        [{"code": "TX-1", "name": "Bone graft", "duration_minutes": 90}]
    ).encode(),
    "corpus.jsonl": b'{"id": "d-7", "title": "Leukemia", "text": "A cancer of the blood."}\n{bro',
    "site/hours.html": (
        "<title>Clinic</title><nav>Dentures, implants</nav><main><h2>Opening hours</h2>"
        "<table><tr><th>Day<th>Hours<tr><td>Sunday<td>Closed for la siesta, señor</table></main>"
    ).encode("latin-1"),
    "forms/consent.pdf": consent_pdf(),
    "forms/fees.docx": fees_docx(),
    "photo.png": b"\x89PNG",
}


@pytest.fixture
def clinic(pack, settings):
    """A clinic whose documents are of every kind, with its index."""
    for doc_id, content in FILES.items():
        pack.write(doc_id, content)
    chosen = settings(clinic_pack=pack.folder)
    return chosen, ingest_folder(chosen, None, None)


async def test_every_kind_of_file_is_found_under_its_label(clinic):
    chosen, report = clinic
    house = build_house(chosen)
    expected = {
        "is parking free": "faq.md#is-there-parking",
        "brushing around brackets": "notes/braces.txt",
        "how long does a bone graft take": "treatments.json#TX-1",
        "cancer of the blood": "corpus.jsonl#d-7",
        "opening hours on Sunday": "site/hours.html#opening-hours",
        "withdraw my consent": "forms/consent.pdf#page=2",
        "price of a home kit for whitening": "forms/fees.docx#whitening",
    }
    await house.library.open()
    try:
        found = {query: await house.library.search([query], k=3) for query in expected}
    finally:
        await house.library.close()

    texts = {hit.label: hit.text for hits in found.values() for hit in hits}
    assert {
        q: label for q, label in expected.items() if label not in [p.label for p in found[q]]
    } == {}
    assert (
        "Day: Sunday | Hours: Closed for la siesta, señor" in texts["site/hours.html#opening-hours"]
    )
    assert "Home kit | INR 8,000" in texts["forms/fees.docx#whitening"]
    assert set(report.skipped) == {"photo.png", "corpus.jsonl#L2"}
