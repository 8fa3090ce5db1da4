"""Tables in full width wherever they are printed."""

import pytest
from rich.table import Table

from gcl.cli.tables import print_table


def table(columns, width):
    made = Table()
    for i in range(columns):
        made.add_column(f"head{i}", no_wrap=True)
    made.add_row(*(str(i) * width for i in range(columns)))
    return made


@pytest.mark.parametrize("columns", ["20", "80"])
def test_no_number_is_cut_on_a_narrow_terminal(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    print_table(table(8, 15))
    out = capsys.readouterr().out
    for i in range(8):
        assert str(i) * 15 in out
        assert f"head{i}" in out
    assert "…" not in out
    assert len({len(line) for line in out.splitlines()}) == 1


def test_rows_stay_on_a_line_each(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    print_table(table(6, 10))
    assert len(capsys.readouterr().out.splitlines()) == 5  # three rules, heads, one row


def test_a_table_that_fits_is_no_wider_than_it_needs(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    print_table(table(2, 3))
    # Of each column its head of 5 and a blank on either side; three bars.
    assert {len(line.rstrip()) for line in capsys.readouterr().out.splitlines()} == {17}
