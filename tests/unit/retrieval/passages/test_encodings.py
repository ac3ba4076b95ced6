"""Encodings: told by their bytes, and refused where nothing tells them."""
# ruff: noqa: RUF001  # letters of other scripts look like ours: that is what this is about

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.retrieval.passages.encodings import decode

FRENCH = "Après l'extraction, évitez de mâcher du côté opéré. À bientôt !"
RUSSIAN = "Не ешьте горячую пищу после удаления зуба. Позвоните нам, если болит."
JAPANESE = "抜歯後は熱い食べ物を避けてください。痛みが続く場合はお電話ください。"


@given(st.text())
def test_unicode_comes_back_as_it_was(text):
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")

    assert decode(b"\xef\xbb\xbf" + text.encode()) == text
    for encoding in ("utf-16", "utf-32"):
        assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "café"),
        ("cp1252", "Größe und Gebühren – “öffnen”"),
        ("cp1252", "A visit costs £20 or €25, naïve ½ • ©"),
        ("latin-1", FRENCH),
        ("latin-1", "¿Cuánto cuesta? ¡Mañana!"),
        ("cp1250", "Nie jedz gorących potraw po usunięciu zęba, żeby nie bolało."),
        ("cp1254", "Diş çekiminden sonra sıcak yiyecek yemeyin. Bizi arayın, lütfen."),
        ("cp1251", RUSSIAN),
        ("koi8_r", RUSSIAN),
        ("cp1253", "Μην τρώτε ζεστό φαγητό μετά την εξαγωγή."),
        ("cp1256", "لا تأكل طعاما ساخنا بعد خلع السن. إذا استمر الألم فاتصل بنا."),
        ("shift_jis", JAPANESE),
        ("euc_jp", JAPANESE),
        ("gb18030", "拔牙后请避免热食。如果疼痛持续,请致电我们。"),
        ("big5", "拔牙後請避免熱食。如果疼痛持續,請致電我們。"),
        ("euc_kr", "발치 후에는 뜨거운 음식을 피하십시오."),
        ("utf-16-le", "No mark in front."),
        ("utf-16-be", "No mark in front."),
    ],
)
def test_another_encoding_is_told_by_its_words(encoding, text):
    assert decode(text.encode(encoding)) == text


def test_what_is_odd_stands_far_behind_what_is_plain():
    text = "Plain words, and more of them. " * 20_000 + FRENCH

    assert decode(text.encode("cp1252")) == text


def test_a_file_that_was_cut_off_within_a_character_keeps_all_before_it():
    assert decode("Öffnungszeiten für Zähne".encode()[:-4]) == "Öffnungszeiten für Z"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not text"),
        (bytes(range(256)) * 9, "not text"),
        (b"\xff" * 1000, "cannot be told; save it as UTF-8"),
        (b"\x80\x81\x82", "cannot be told"),
        ("Größe ".encode() * 30 + b"\xfc ", "damaged UTF-8 text: invalid start byte at byte 240"),
        (b"\xff\xfeR", "damaged UTF-16-LE"),
        (b"\xff\xfe\x00\xd8", "damaged UTF-16-LE"),
        ("Запись".encode("koi8_r"), "cannot be told"),
    ],
)
def test_what_nothing_tells_is_refused(content, reason):
    with pytest.raises(ValueError, match=reason):
        decode(content)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("windows-1251", "Запись"),
        ("WINDOWS-1251", "Запись"),
        ("iso-8859-1", "Çàïèñü"),
        ("no-such-encoding", None),
        ("hex", None),
        ("\x00", None),
    ],
)
def test_an_encoding_that_is_declared_is_taken_if_there_is_one(declared, expected):
    content = "Запись".encode("cp1251")

    if expected is None:
        with pytest.raises(ValueError, match="cannot be told"):
            decode(content, declared=declared)
    else:
        assert decode(content, declared=declared) == expected


def test_utf8_is_seen_whatever_is_declared():
    assert decode("Größe".encode(), declared="iso-8859-1") == "Größe"


@pytest.mark.parametrize("declared", ["utf-16", "utf-32", "utf-16-le"])
def test_what_is_declared_in_ascii_is_not_utf16(declared):
    assert decode(FRENCH.encode("cp1252"), declared=declared) == FRENCH


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_every_line_end_is_one_character(end):
    assert decode(f"One{end}Two{end}".encode()) == "One\nTwo\n"


@pytest.mark.parametrize(
    "content",
    [b"a" * 5_000_000 + b"\xe9", b"\xe9 " * 2_000_000, b"\xe9" * 4_000_000, b"\n\xe9" * 2_000_000],
    ids=["one", "words", "run", "lines"],
)
def test_megabytes_are_told_in_seconds(content):
    begun = time.thread_time()

    try:
        decode(content)
    except ValueError as error:
        assert "cannot be told" in str(error)

    assert time.thread_time() - begun < 20
