"""Word documents: what is printed of them, under their headings."""

import io
import zipfile

import docx
import pytest
from docx.document import Document as WordDocument
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.retrieval.passages.reading import labels, parts

from agentic_rag.retrieval.passages.documents import Document, Skipped
from agentic_rag.retrieval.passages.docx_files import read_docx


def saved(document: WordDocument) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def text_of(document: WordDocument) -> str:
    return read_docx(saved(document)).text


def paragraph(xml: str) -> WordDocument:
    """Return a document of one paragraph, then one that says "Rest."."""
    document = docx.Document()
    made = parse_xml(f"<w:p {nsdecls('w', 'r')}>{xml}</w:p>")
    document.element.body.insert(0, made)
    document.add_paragraph("Rest.")
    return document


def table_of(*rows: tuple[str, ...]) -> WordDocument:
    document = docx.Document()
    table = document.add_table(len(rows), len(rows[0]))
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    return document


def packed(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# --- what is read -------------------------------------------------------------------------


def test_a_document_is_cut_at_its_headings(read):
    document = docx.Document()
    document.add_heading("Consent", level=0)
    document.add_paragraph("Before any treatment.")
    document.add_heading("Risks", level=1)
    document.add_heading("Root canals & crowns", level=2)
    document.add_paragraph("Pain may follow.")
    document.add_heading("For children", level=3)
    document.add_paragraph("Less.")
    document.add_heading("Babies", level=4)
    document.add_paragraph("None.")

    loaded = read("forms/consent.docx", saved(document))

    assert labels(loaded) == [
        "forms/consent.docx",
        "forms/consent.docx",
        "forms/consent.docx#root-canals--crowns",
        "forms/consent.docx#for-children",
    ]
    assert loaded.sections[3].heading == "Consent > Risks > Root canals & crowns > For children"
    assert parts(loaded)[3] == "### For children\n\nLess.\n\n#### Babies\n\nNone."


def test_a_style_that_is_made_from_a_headings_is_one():
    document = docx.Document()
    style = document.styles.add_style("Clinic head", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = document.styles["Heading 2"]
    document.add_paragraph("Fees", style="Clinic head")
    document.add_paragraph("INR 5.")

    assert [s.slug for s in read_docx(saved(document)).sections] == ["fees"]


def test_a_paragraph_on_an_outline_level_is_a_heading():
    document = paragraph("<w:pPr><w:outlineLvl w:val='1'/></w:pPr><w:r><w:t>Fees</w:t></w:r>")

    assert text_of(document) == "## Fees\n\nRest."


def test_lists_stand_in_lines():
    document = docx.Document()
    document.add_paragraph("After:")
    for style in ("List Bullet", "List Bullet 2", "List Number"):
        document.add_paragraph(style, style=style)
    document.add_paragraph("Rest.")

    assert text_of(document) == "After:\n\n- List Bullet\n  - List Bullet 2\n- List Number\n\nRest."


def test_a_table_stands_in_its_place():
    document = table_of(("Scaling", "INR 1,500"), ("Filling", ""))
    document.add_paragraph("Rest.")

    assert text_of(document) == "Scaling | INR 1,500\nFilling\n\nRest."


@pytest.mark.parametrize("mark", ["bold", "repeated"])
def test_a_head_row_names_the_cells_below(mark):
    document = table_of(("Treatment", "Price"), ("Scaling", "INR 1,500"))
    row = document.tables[0].rows[0]
    if mark == "bold":
        for cell in row.cells:
            cell.paragraphs[0].runs[0].bold = True
    else:
        row._tr.get_or_add_trPr().append(parse_xml(f"<w:tblHeader {nsdecls('w')}/>"))

    assert text_of(document) == "Treatment: Scaling | Price: INR 1,500"


def test_merged_cells_are_told_once_a_row():
    document = table_of(("", "", ""), ("", "a", "b"), ("c", "", ""))
    table = document.tables[0]
    table.cell(0, 0).merge(table.cell(1, 0)).text = "Down"
    table.cell(0, 1).merge(table.cell(0, 2)).text = "Across"

    assert text_of(document) == "Down | Across\nDown | a | b\nc"


def test_tables_in_tables_are_read_in_order():
    document = table_of(("before", ""))
    inner = document.tables[0].cell(0, 1).add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "a", "b"
    document.tables[0].cell(0, 1).add_paragraph("after")

    assert text_of(document) == "before\n\na | b\n\nafter"


def test_a_heading_in_a_table_that_arranges_is_a_heading():
    document = table_of(("", "Right"))
    cell = document.tables[0].cell(0, 0)
    cell.paragraphs[0].style = "Heading 2"
    cell.paragraphs[0].add_run("Fees")

    assert text_of(document) == "## Fees\n\nRight"


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>", "a b\nc"),
        ("<w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink>", "link"),
        ("<w:ins w:id='1' w:author='x'><w:r><w:t>new</w:t></w:r></w:ins>", "new"),
        ("<w:del w:id='1' w:author='x'><w:r><w:delText>old</w:delText></w:r></w:del>", ""),
        ("<w:r><w:rPr><w:strike/></w:rPr><w:t>INR 2,000</w:t></w:r>", ""),
        ("<w:r><w:rPr><w:strike w:val='0'/></w:rPr><w:t>INR 2,000</w:t></w:r>", "INR 2,000"),
        ("<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>", ""),
        (
            "<w:r><w:t>1,500</w:t></w:r>"
            "<w:r><w:rPr><w:vertAlign w:val='superscript'/></w:rPr><w:t>1</w:t></w:r>",
            "1,500^1",
        ),
        ("<w:sdt><w:sdtContent><w:r><w:t>field</w:t></w:r></w:sdtContent></w:sdt>", "field"),
        ("<w:r><w:instrText>PAGE</w:instrText></w:r>", ""),
        ("<w:r><w:noBreakHyphen/><w:t>5</w:t></w:r>", "-5"),
        ("<w:pPr><w:numPr><w:numId w:val='7'/></w:numPr></w:pPr><w:r><w:t>x</w:t></w:r>", "- x"),
        ("<w:pPr><w:numPr><w:numId w:val='0'/></w:numPr></w:pPr><w:r><w:t>x</w:t></w:r>", "x"),
        ("<w:pPr><w:pStyle w:val='NoSuchStyle'/></w:pPr><w:r><w:t>x</w:t></w:r>", "x"),
        (
            "<w:r><w:pict><v:shape xmlns:v='urn:schemas-microsoft-com:vml'><v:textbox>"
            "<w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent>"
            "</v:textbox></v:shape></w:pict><w:t>x</w:t></w:r>",
            "x",
        ),
    ],
)
def test_a_paragraph_reads_as_it_is_printed(xml, text):
    assert text_of(paragraph(xml)) == (f"{text}\n\nRest." if text else "Rest.")


def test_content_controls_around_paragraphs_are_read_and_the_contents_page_is_not():
    document = docx.Document()
    style = document.styles.add_style("toc 1", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("Fees ..... 3", style=style)
    inner = f"<w:p {nsdecls('w')}><w:r><w:t>In a control.</w:t></w:r></w:p>"
    control = f"<w:sdt {nsdecls('w')}><w:sdtContent>{inner}</w:sdtContent></w:sdt>"
    document.element.body.insert(0, parse_xml(control))

    assert text_of(document) == "In a control."


def test_headers_and_footers_are_left_out():
    document = docx.Document()
    document.add_paragraph("Rest.")
    document.sections[0].header.paragraphs[0].text = "Page head"
    document.sections[0].footer.paragraphs[0].text = "Page foot"

    assert text_of(document) == "Rest."


# --- what cannot be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 and no more", "cannot be read as a Word document"),
        (b"<html>not Word</html>", "cannot be read as a Word document"),
        (packed({"a.txt": b"a"}), "cannot be read as a Word document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old kind"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "is encrypted",
        ),
        (packed({"word/media/a.bin": b"\0" * 310_000_000}), "too large when unpacked"),
        (packed({"word/document.xml": b" " * 61_000_000}), "too large when unpacked"),
    ],
    ids=["cut", "html", "zip", "doc", "encrypted", "bomb", "xml bomb"],
)
def test_what_cannot_be_read_says_why(read, content, reason):
    loaded = read("a.docx", content)

    assert isinstance(loaded, Skipped)
    assert reason in loaded.reason


def test_a_document_without_text_is_empty(read):
    assert read("a.docx", saved(docx.Document())) == Skipped("a.docx", "is empty")


def test_entities_are_not_unfolded(read):
    made = unpacked(saved(table_of(("a", "b"))))
    laughs = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))
    made["word/document.xml"] = (
        f"<!DOCTYPE d [<!ENTITY l0 'ha'>{laughs}]><w:document {nsdecls('w')}><w:body><w:p><w:r>"
        "<w:t>&l11;</w:t></w:r></w:p></w:body></w:document>"
    ).encode()

    loaded = read("a.docx", packed(made))

    assert isinstance(loaded, Skipped) or len(loaded.text) < 1000


@pytest.mark.parametrize("depth", [30, 200, 5000])
def test_tables_in_tables_without_end_are_read_or_refused(read, depth):
    made = unpacked(saved(docx.Document()))
    inner = "<w:tbl><w:tr><w:tc>" * depth + "<w:p><w:r><w:t>deep</w:t></w:r></w:p>"
    body = inner + "</w:tc></w:tr></w:tbl>" * depth
    made["word/document.xml"] = (
        f"<w:document {nsdecls('w')}><w:body>{body}</w:body></w:document>".encode()
    )

    loaded = read("a.docx", packed(made))

    assert (
        isinstance(loaded, Document) and loaded.text == "deep"
    ) or "cannot be read" in loaded.reason


@pytest.mark.parametrize("part", ["word/document.xml", "word/styles.xml", "[Content_Types].xml"])
def test_a_document_that_lacks_a_part_is_read_or_refused(read, part):
    made = unpacked(saved(table_of(("a", "b"))))
    del made[part]

    loaded = read("a.docx", packed(made))

    assert isinstance(loaded, Document) or "cannot be read" in loaded.reason


SAVED = saved(table_of(("Scaling", "INR 1,500"), ("Filling", "INR 2,000")))


@given(st.integers(0, len(SAVED) - 1), st.integers(0, 255), st.booleans())
def test_a_damaged_document_is_read_or_refused(at, byte, is_cut):
    damaged = SAVED[:at] if is_cut else SAVED[:at] + bytes([byte]) + SAVED[at + 1 :]

    try:
        text = read_docx(damaged).text
    except ValueError as error:
        assert str(error)
    else:
        text.encode()


def test_a_table_of_thousands_of_rows_is_read_in_seconds():
    document = docx.Document()
    row = "<w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr>"
    document.element.body.insert(0, parse_xml(f"<w:tbl {nsdecls('w')}>{row * 20_000}</w:tbl>"))

    assert text_of(document).count("a") == 20_000
