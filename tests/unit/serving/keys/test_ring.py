from hashlib import sha256

import pytest

from agentic_rag.callers import Scope
from agentic_rag.errors import BadSettings
from agentic_rag.serving.keys.ring import KeyRing, new_key

HASH = sha256(b"key").hexdigest()


def test_a_new_key_opens_what_it_was_made_for():
    asker, entry = new_key("website", Scope.ASK)
    boss, other = new_key("boss", Scope.ADMIN)
    ring = KeyRing([entry, other])

    assert ring.find(asker).scopes == {Scope.ASK}
    assert ring.find(boss).scopes == {Scope.ASK, Scope.ADMIN}
    assert (ring.find(asker).name, ring.find(boss).name) == ("website", "boss")


def test_the_entry_holds_the_hash_and_not_the_key():
    key, entry = new_key("website", Scope.ASK)

    assert key not in entry
    assert entry == f"website:ask:{sha256(key.encode()).hexdigest()}"
    assert len(key) >= 43 + len("arag_")  # 256 bits


def test_two_keys_of_one_name_are_one_caller():
    (first, one), (second, two) = new_key("website", Scope.ASK), new_key("website", Scope.ASK)
    ring = KeyRing([one, two])

    assert ring.find(first) == ring.find(second) is not None


@pytest.mark.parametrize("shown", ["", "key ", "Key", HASH, f"n:ask:{HASH}", "\ud83d\ude00"[:0]])
def test_nothing_else_opens(shown):
    assert KeyRing([f"n:ask:{HASH}"]).find(shown) is None


def test_the_hash_itself_is_no_key():
    key, entry = new_key("website", Scope.ASK)

    assert KeyRing([entry]).find(entry.rpartition(":")[2]) is None
    assert KeyRing([entry]).find(key) is not None


@pytest.mark.parametrize(
    "entry",
    [
        "arag_a-key-in-clear",
        f"website:{HASH}",
        f"website::{HASH}",
        f"website:root:{HASH}",
        f"website:ask:{HASH.upper()}",
        f"website:ask:{HASH[:-1]}",
        f"web site:ask:{HASH}",
        f":ask:{HASH}",
        f"jwt:me:ask:{HASH}",
        f"{'n' * 65}:ask:{HASH}",
        "website:ask:arag_a-key-in-clear",
    ],
)
def test_an_entry_that_is_none_is_refused_by_its_place_and_not_repeated(entry):
    with pytest.raises(BadSettings) as caught:
        KeyRing([f"fine:ask:{HASH}", entry])

    assert "entry 2" in str(caught.value)
    assert entry not in str(caught.value)
    assert "in-clear" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a,b", "ä", "n" * 65])
def test_a_name_that_no_entry_could_hold_is_refused(name):
    with pytest.raises(BadSettings, match="NAME"):
        new_key(name, Scope.ASK)
