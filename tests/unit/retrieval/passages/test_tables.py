"""Tables: each row a line that says what it means by itself."""

from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.retrieval.passages.tables import Cell, table_lines

CELLS = st.builds(
    Cell,
    text=st.text("ab ", max_size=3).map(str.strip),
    is_head=st.booleans(),
    across=st.integers(-1, 400),
    down=st.integers(-1, 400),
)


def head(*texts: str) -> list[Cell]:
    return [Cell(text, is_head=True) for text in texts]


def row(*texts: str) -> list[Cell]:
    return [Cell(text) for text in texts]


def lines(*rows: list[Cell]) -> list[str]:
    return list(table_lines(rows))


def test_a_cell_has_its_columns_name_in_front():
    assert lines(head("Treatment", "Price"), row("Scaling", "1,500"), row("Filling", "2,000")) == [
        "Treatment: Scaling | Price: 1,500",
        "Treatment: Filling | Price: 2,000",
    ]


def test_a_column_without_a_name_has_its_cell_alone():
    assert lines(head("", "Price"), row("Scaling", "1,500")) == ["Scaling | Price: 1,500"]


def test_an_empty_cell_is_left_out():
    assert lines(head("A", "B", "C"), row("1", "", "3")) == ["A: 1 | C: 3"]


def test_a_row_head_names_the_value_beside_it():
    assert lines([Cell("Monday", is_head=True), Cell("9 to 5")]) == ["Monday: 9 to 5"]


def test_a_head_over_two_columns_is_part_of_both_names():
    price = Cell("Price", is_head=True, across=2)
    treatment = Cell("Treatment", is_head=True, down=2)

    found = lines([treatment, price], head("from", "to"), row("Scaling", "1,000", "1,500"))

    assert found == ["Treatment: Scaling | Price from: 1,000 | Price to: 1,500"]


def test_a_cell_over_two_columns_is_told_once_under_both_names():
    found = lines(head("T", "From", "To"), [Cell("Filling"), Cell("2,000", across=2)])

    assert found == ["T: Filling | From / To: 2,000"]


def test_a_cell_over_two_rows_is_told_in_both():
    found = lines([Cell("Monday", down=2), Cell("9 to 12")], row("14 to 18"), row("Sunday", "-"))

    assert found == ["Monday | 9 to 12", "Monday | 14 to 18", "Sunday | -"]


def test_a_head_over_all_columns_is_a_line():
    found = lines([Cell("Prices", is_head=True, across=2)], head("T", "P"), row("a", "b"))

    assert found == ["Prices", "T: a | P: b"]


def test_a_row_of_one_cell_is_that_cell():
    assert lines(head("T", "P"), [Cell("Cosmetic", across=2)]) == ["Cosmetic"]


def test_a_table_of_heads_alone_is_told():
    assert lines(head("A", "B")) == ["A | B"]


def test_a_head_that_is_a_sentence_is_a_row():
    long = "This column holds " + "very " * 20 + "much"

    assert lines(head("A", long), row("1", "2")) == [f"A | {long}", "1 | 2"]


def test_a_row_that_is_longer_than_the_heads_keeps_its_cells():
    assert lines(head("A", "B"), row("1", "2", "3")) == ["A: 1 | B: 2 | 3"]


def test_an_empty_table_has_no_lines():
    assert lines() == lines([], []) == []


@given(st.lists(st.lists(CELLS, max_size=4), max_size=6))
def test_every_text_of_a_table_is_in_its_lines(rows):
    found = " ".join(table_lines(rows))

    body = [cell for own in rows for cell in own if not cell.is_head]
    assert all(cell.text in found for cell in body)


def test_cells_that_reach_absurdly_far_take_no_memory():
    wide = [Cell("a", across=99_999, down=99_999) for _ in range(50)]

    found = lines(*([wide] * 200))

    assert len(found) == 200
    assert sum(map(len, found)) < 1_000_000
