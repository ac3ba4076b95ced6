import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.serving.keys.bearer import MOST_CHARS, token_of

TOKENS = st.text(string.ascii_letters + string.digits + "._~+/-", min_size=1, max_size=200)
ANY_LATIN = st.text(st.characters(max_codepoint=255), max_size=300)


@given(TOKENS, st.sampled_from(["Bearer", "bearer", "BEARER", "bEaReR"]), st.integers(1, 4))
def test_a_token_is_read_however_its_scheme_is_written(token, scheme, spaces):
    assert token_of([f"{scheme}{' ' * spaces}{token}"]) == token


@given(ANY_LATIN)
def test_whatever_is_sent_is_a_token_or_nothing(header):
    token = token_of([header])

    assert token is None or (token in header and header.lower().startswith("bearer "))


@given(ANY_LATIN.filter(lambda text: not text.lower().startswith("bearer")))
def test_another_scheme_is_nothing(header):
    assert token_of([header]) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Bearerabc"],
        ["Bearer a b"],
        ["Bearer a,b"],
        ["Bearer abc\n"],
        ["Bearer\tabc"],
        ["Bearer =abc"],
        ['Bearer "abc"'],
        ["Bearer naïve"],
        ["Bearer \u0661"],
        ["Basic " + base64.b64encode(b"me:key").decode()],
        ["Bearer abc", "Bearer abc"],
        ["Bearer abc", "Basic abc"],
        ["Bearer " + "a" * MOST_CHARS],
    ],
    ids=repr,
)
def test_what_is_not_one_bearer_token_is_nothing(headers):
    assert token_of(headers) is None
