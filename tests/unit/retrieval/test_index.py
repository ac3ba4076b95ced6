"""The index as an artefact: versions on a shelf, one of them live."""

import json
from datetime import UTC, datetime

import pytest

from agentic_rag.retrieval.index import IndexShelf, version_of
from agentic_rag.retrieval.ingesting.ingest import ingest

DOCUMENTS = {"a.md": "1", "b.md": "2"}


@pytest.fixture
def shelf(tmp_path):
    made = IndexShelf(tmp_path / "index")
    (made.folder / "versions").mkdir(parents=True)
    return made


def test_the_same_input_has_the_same_name():
    turned = dict(reversed(DOCUMENTS.items()))

    assert version_of(DOCUMENTS, "e", "folder") == version_of(turned, "e", "folder")


@pytest.mark.parametrize(
    ("documents", "embedder", "store"),
    [
        (DOCUMENTS | {"b.md": "3"}, "e", "folder"),
        (DOCUMENTS | {"c.md": "2"}, "e", "folder"),
        ({"a.md": "1"}, "e", "folder"),
        ({"a.md": "1", "c.md": "2"}, "e", "folder"),
        (DOCUMENTS, "another", "folder"),
        (DOCUMENTS, "e", "a server"),
    ],
)
def test_another_input_has_another_name(documents, embedder, store):
    assert version_of(documents, embedder, store) != version_of(DOCUMENTS, "e", "folder")


def test_an_empty_shelf_has_no_live_version(tmp_path):
    assert IndexShelf(tmp_path / "nowhere").current() is None


def test_what_was_written_is_read_again(folder, shop):
    (folder / "hindi.txt").write_text("दाँत \u2028 \x0c साफ", "utf-8")

    report = ingest(folder, shop)

    live = shop.shelf.current()
    assert live == shop.shelf.place(report.version)
    assert live.manifest().version == report.version
    assert live.manifest().passages == len(live.passages()) == len(live.vectors())
    assert "दाँत \u2028 \x0c साफ" in {passage.text for passage in live.passages()}
    assert {passage.heading for passage in live.passages()} >= {"Fees > Visits", "Hours > Monday"}


def test_switching_makes_another_version_live_and_leaves_nothing_behind(folder, shop):
    first = ingest(folder, shop).version
    (folder / "parking.txt").write_text("Parking costs 9 euro.", "utf-8")
    second = ingest(folder, shop).version
    beside = {path.name for path in shop.shelf.folder.iterdir()}

    shop.shelf.switch(first)

    assert first != second
    assert shop.shelf.current() == shop.shelf.place(first)
    assert {path.name for path in shop.shelf.folder.iterdir()} == beside


@pytest.mark.parametrize(
    "name", ["gone", "", "half", ".", "..", "../versions/whole", "a\x00b", "\udc80"]
)
def test_a_version_that_is_not_whole_is_not_live(shelf, name):
    for each in ("half", "whole"):
        shelf.place(each).folder.mkdir()
    (shelf.place("whole").folder / "manifest.json").write_text("{}")
    (shelf.folder / "manifest.json").write_text("{}")
    (shelf.folder / "versions" / "manifest.json").write_text("{}")
    (shelf.folder / "current").write_text(name, "utf-8", errors="surrogateescape")

    assert shelf.current() is None


def test_whole_versions_are_named_newest_first_and_half_made_ones_not_at_all(shelf):
    for name in ["v3", "v1", "v2", ".building-x", ".removed-v0", "half"]:
        folder = shelf.place(name).folder
        folder.mkdir()
        if name != "half":
            (folder / "manifest.json").write_text(json.dumps({"created": f"2026-11-{name[-1]}"}))

    assert shelf.names() == ["v3", "v2", "v1"]


def test_a_version_tells_what_it_holds(folder, shop):
    report = ingest(folder, shop)

    [standing] = shop.shelf.inventory()

    assert (standing.name, standing.live) == (report.version, True)
    assert (standing.documents, standing.passages) == (3, report.passages)
    assert standing.embedder == shop.embedder.fingerprint
    assert datetime.fromisoformat(standing.created).tzinfo == UTC
    assert standing.size_bytes > 1000


@pytest.mark.parametrize("manifest", ["", "[]", "{", '{"documents": 7, "passages": "x"}'])
def test_a_version_whose_manifest_says_nothing_still_stands_there(shelf, manifest):
    shelf.place("v1").folder.mkdir()
    (shelf.place("v1").folder / "manifest.json").write_text(manifest)

    [standing] = shelf.inventory()

    assert (standing.name, standing.documents, standing.passages) == ("v1", 0, 0)
    with pytest.raises(ValueError):
        shelf.place("v1").manifest()


def test_a_removed_version_is_gone_and_the_others_stay(shelf):
    for name in ["v1", "v2"]:
        shelf.place(name).folder.mkdir()
        (shelf.place(name).folder / "manifest.json").write_text("{}")

    shelf.remove("v1")

    assert [path.name for path in (shelf.folder / "versions").iterdir()] == ["v2"]


def test_what_builds_that_were_cut_off_left_is_swept_away(shelf):
    (shelf.place(".building-x").folder / "v9").mkdir(parents=True)
    (shelf.place(".removed-v0").folder / "lexical").mkdir(parents=True)
    (shelf.folder / "current.4711").write_text("v9")
    shelf.place("v1").folder.mkdir()

    shelf.sweep()

    assert [path.name for path in (shelf.folder / "versions").iterdir()] == ["v1"]
    assert not list(shelf.folder.glob("current.*"))
