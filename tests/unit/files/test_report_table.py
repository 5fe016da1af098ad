"""Tables of words for readers."""

from infogeo.files import report_table

ROWS = [["model", "exponent"], ["pythia-14m\nunit", "−0.047\n[−0.062, −0.031]"], ["b", "n/a"]]


def test_terminal_columns_are_aligned_and_cells_may_have_lines():
    assert report_table.terminal(ROWS) == [
        "model       exponent",
        "pythia-14m  −0.047",
        "unit        [−0.062, −0.031]",
        "b           n/a",
    ]


def test_markdown_has_a_line_for_each_row_of_as_many_cells():
    lines = report_table.markdown(ROWS[0], ROWS[1:])
    assert lines[2] == "| pythia-14m unit | −0.047 [−0.062, −0.031] |"
    assert [line.count("|") for line in lines] == [3] * 4


def test_wrapped_lines_fit_the_terminal_with_their_indents():
    lines = report_table.wrapped("word " * 60, first="- ", rest="    ")
    assert max(map(len, lines)) <= report_table.WIDTH
    assert lines[0].startswith("- word") and all(line.startswith("    ") for line in lines[1:])
