"""HTML: what a reader of the page would read, under its headings."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.retrieval.passages.reading import labels, parts

from agentic_rag.retrieval.passages.documents import Document, Skipped
from agentic_rag.retrieval.passages.html_files import read_html

PIECES = st.lists(
    st.sampled_from(
        [
            *("<p>", "</p>", "<div>", "</div>", "<ul>", "<li>", "</ul>", "<ol>", "</ol>", "<br>"),
            *("<table>", "<tr>", "<td>", "<th colspan=2>", "<td rowspan=3>", "</table>", "<thead>"),
            *("<h1>", "</h1>", "<h2>", "</h2>", "<dl>", "<dt>", "<dd>", "</dl>", "<pre>", "</pre>"),
            *("<main>", "</main>", "<article>", "<nav>", "</nav>", "<b>", "</b>", "<!--", "-->"),
            *(
                "<script>",
                "</script>",
                "</body>",
                "<",
                "&amp;",
                "&#0;",
                "&#xD800;",
                "word",
                " ",
                "\n",
            ),
            *("<p hidden>", "<sup>2</sup>", "<header>", "<a href='", "'>", "<![CDATA[", "<?x", "é"),
        ]
    ),
    max_size=60,
).map("".join)


def text_of(page: str) -> str:
    return read_html(page.encode()).text


# --- what is read, and what is not --------------------------------------------------------


def test_a_page_is_cut_at_its_headings(read):
    document = read(
        "a/fees.html",
        "<h1>Fees</h1><p>Intro.</p><h2 id=x>Root canals &amp; crowns</h2><p>INR 6,000.</p>"
        "<h3>For children</h3>Half.<h4>Babies</h4>None.<h2>Cards</h2><p>Yes.",
    )

    assert labels(document) == [
        "a/fees.html",
        "a/fees.html#root-canals--crowns",
        "a/fees.html#for-children",
        "a/fees.html#cards",
    ]
    assert [s.heading for s in document.sections][2] == "Fees > Root canals & crowns > For children"
    assert parts(document)[2] == "### For children\n\nHalf.\n\n#### Babies\n\nNone.\n\n"


@pytest.mark.parametrize(
    "around",
    [
        "<nav>Home</nav>",
        "<header>Home</header>",
        "<footer>Home</footer>",
        "<aside>Home</aside>",
        "<div role=navigation>Home</div>",
        "<div role='Banner'>Home</div>",
        "<script>Home()</script>",
        "<style>.Home{}</style>",
        "<template><p>Home</p></template>",
        "<noscript>Home</noscript>",
        "<!-- Home -->",
        "<p hidden>Home</p>",
        "<p style='color: red; DISPLAY : none'>Home</p>",
        "<p style='visibility:hidden'>Home</p>",
        "<span aria-hidden=true>Home</span>",
        "<svg><text>Home</text></svg>",
        "<dialog>Home</dialog>",
        "<form><select><option>Home</select><button>Home</button><textarea>Home</textarea></form>",
        "<iframe src=x>Home</iframe>",
        "<del>Home</del><s>Home</s>",
        "<?php Home ?>",
    ],
)
def test_what_is_around_the_text_is_left_out(around):
    assert text_of(f"<body>{around}<p>Rest.</p>{around}</body>") == "Rest."


def test_what_follows_something_left_out_is_read():
    assert (
        text_of("<p>A<script>x</script>B<span hidden>C</span>D</p>E<nav>F</nav>G")
        == "ABD\n\nE\n\nG"
    )


@pytest.mark.parametrize(
    "main", ["<main>{}</main>", "<div role=main>{}</div>", "<article>{}</article>"]
)
def test_the_main_part_is_preferred(main):
    inner = main.format("<header><h2>Fees</h2></header><p>INR 5.</p>")

    assert text_of(f"<div>Around</div>{inner}<div>it</div>") == "## Fees\n\nINR 5."


@pytest.mark.parametrize(
    "main", ["<main></main>", "<article>Card</article>", "<main hidden>No</main>"]
)
def test_a_main_part_that_holds_little_takes_nothing_away(main):
    assert "All that the page says." in text_of(f"<p>All that the page says.</p>{main}")


def test_all_articles_are_read_in_order():
    page = "<article>One.<article>Two.</article></article><p>x</p><article>Three.</article>"

    assert text_of(page).split() == ["One.", "Two.", "Three."]


def test_a_page_without_an_h1_stands_under_its_title():
    content = read_html(b"<title> Our  fees </title><body><h2>Cards</h2><p>Yes.")

    assert [s.heading for s in content.sections] == ["Our fees > Cards"]
    assert "Our fees" not in content.text


def test_an_h1_around_the_text_is_its_title_all_the_same():
    content = read_html(b"<title>T</title><header><h1>Fees</h1></header><h2>Cards</h2><p>Yes.")

    assert [s.heading for s in content.sections] == ["Fees > Cards"]


def test_a_page_that_is_hidden_until_it_is_loaded_is_read():
    assert text_of("<html hidden><body style='visibility: hidden'><p>Rest.") == "Rest."


@pytest.mark.parametrize(
    "tag", ["main", "section", "article", "nav></nav><div", "x-page", "figure"]
)
def test_a_page_need_not_say_where_its_body_begins(tag):
    page = f"<!doctype html><meta charset=utf-8><title>T</title><{tag}><h2>Fees</h2><p>INR 5."

    content = read_html(page.encode())

    assert content.text == "## Fees\n\nINR 5."
    assert content.sections[0].heading == "T > Fees"


def test_what_stands_behind_the_end_of_a_page_is_read():
    assert text_of("<html><body><p>One.</body></html><p>Two.") == "One.\n\nTwo."


# --- how it is written --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("just words", "just words"),
        ("<p>A  b\n c&nbsp;d", "A b c d"),
        ("<p>One<br>Two<br/><br>Three", "One\nTwo\nThree"),
        ("<p>One<p>Two", "One\n\nTwo"),
        ("<p>in<b>line</b> <i>words</i>", "inline words"),
        ("&lt;p&gt; &copy; &#8377; AT&T", "<p> \u00a9 \u20b9 AT&T"),
        ("treat\u00adment", "treatment"),
        ("INR 1,500<sup>1</sup> the 1<sup>st</sup>", "INR 1,500^1 the 1st"),
        ("<del>INR 2,000</del> INR 1,500", "INR 1,500"),
        ("<ul><li>One<li>Two</ul>", "- One\n- Two"),
        ("<ol><li>One<li>Two</ol>", "1. One\n2. Two"),
        ("<ul><li>One<ul><li>Sub</ul><li>Two</ul>", "- One\n  - Sub\n- Two"),
        ("<ul><li><p>One</p><p>more</p></ul><ul><li>Two</ul>", "- One\n  more\n\n- Two"),
        ("<li>One<li>Two</li><p>Three", "- One\n- Two\n\nThree"),
        ("<dl><dt>Hours<dd>9 to 5<dt>Open?<dd>Yes.</dl>", "Hours: 9 to 5\n\nOpen? Yes."),
        ("<dl><dt>A</dt><dt>B<dd>C<dt>Alone</dl>", "A; B: C\n\nAlone"),
        ("<pre>\n a\n   b\n</pre>", " a\n   b"),
        ("<blockquote>Q<p>R</blockquote>", "Q\n\nR"),
        ("<details><summary>Parking?</summary>Free.</details>", "Parking?\n\nFree."),
        ("<h2><button>Parking?</button></h2><p>Free.", "## Parking?\n\nFree."),
        ("<h2> </h2><p>Free.", "Free."),
        ("<select><option>1</select>Free.", "Free."),
    ],
)
def test_it_reads_as_on_the_page(page, text):
    assert text_of(page) == text


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (
            "<tr><th>Treatment<th>Price<tr><td>Scaling<td>INR 1,500",
            "Treatment: Scaling | Price: INR 1,500",
        ),
        ("<tr><td>Scaling<td>INR 1,500", "Scaling | INR 1,500"),
        ("<tr><th>Scaling<td>INR 1,500", "Scaling: INR 1,500"),
        ("<tr><td><b>Day</b><td><strong>Hours</strong><tr><td>Mon<td>9", "Day: Mon | Hours: 9"),
        ("<caption>Fees</caption><tr><td>a<td>b", "Fees\na | b"),
        ("<thead><tr><td>A<td>B</thead><tbody><tr><td>1<td>2", "A: 1 | B: 2"),
        ("<tr><td>a<td><ul><li>x<li>y</ul>", "a | x; y"),
        ("<tr><td>a<br>b<td><p>c<p>d", "a b | c d"),
        ("<tr><td>a<td hidden>b<td>c<tr hidden><td>d<td>e", "a | c"),
        ("<tr><td>One<tr><td>Two", "One\n\nTwo"),
        ("<tr><td><h2>Fees</h2>Left<td>Right", "## Fees\n\nLeft\n\nRight"),
        ("<tr><td>a<table><tr><td>b<td>c</table>d", "a\n\nb | c\n\nd"),
    ],
)
def test_a_table_is_read_by_rows(table, text):
    assert text_of(f"<table>{table}</table>") == text


def test_a_table_that_only_arranges_is_read_as_if_it_were_none():
    assert text_of("<table role=presentation><tr><td>One.<td>Two.</table>") == "One.\n\nTwo."


# --- bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "<meta charset=windows-1251>",
        "<META http-equiv='Content-Type' content='text/html; charset=\"windows-1251\"'>",
        "<?xml version='1.0' encoding='windows-1251'?>",
    ],
)
def test_the_encoding_that_a_page_declares_is_taken(head):
    assert read_html(f"{head}<p>Запись".encode("cp1251")).text == "Запись"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_seen_whatever_a_page_declares(encoding):
    assert read_html("<meta charset=latin-1><p>Größe".encode(encoding)).text == "Größe"


@pytest.mark.parametrize(
    "page", ["", " \n", "<!-- x -->", "<body></body>", "<title>T</title>", "<nav>x</nav>"]
)
def test_a_page_without_text_is_empty(read, page):
    assert read("a.htm", page) == Skipped("a.htm", "is empty")


# --- hostile pages ------------------------------------------------------------------------


@given(PIECES)
def test_any_soup_of_tags_is_read(page):
    content = read_html(page.encode())

    assert all(content.text[s.start : s.end].strip() for s in content.sections)
    assert bool(content.sections) == bool(content.text.strip())
    content.text.encode()


@pytest.mark.parametrize(
    "piece",
    [
        *("<!--", "<![CDATA[", "<a ", "</", "<!", "<?", "&", "<script>", "<a x='", "</x>", "&#x"),
        *(
            "<p>a",
            "<td>a",
            "<tr>",
            "<li>a",
            "<ol><li>a</ol>",
            "<table><tr><td>x</table>",
            "<b>a</b>",
        ),
    ],
)
def test_a_quarter_megabyte_of_anything_is_read_in_seconds(piece):
    begun = time.thread_time()

    read_html((piece * (250_000 // len(piece))).encode())

    assert time.thread_time() - begun < 20


@pytest.mark.parametrize("tag", ["div", "b", "table><tr><td", "ul><li", "blockquote"])
def test_tags_in_tags_without_end_are_refused_or_read(read, tag):
    loaded = read("a.html", f"<{tag}>" * 50_000 + "deep")

    if isinstance(loaded, Document):
        assert "deep" in loaded.text
    else:
        assert loaded.reason == "has tags in tags, more than 2,000 deep"


def test_more_tags_than_memory_holds_are_refused(read):
    assert read("a.html", "<b>" * 1_100_000).reason == "has more than 1,000,000 tags"
