"""Results files: rows that are found again, and their means."""

from gcl.experiments import results


def test_rows_that_another_program_has_added_are_not_added_again(tmp_path):
    rows = [{"config": "a", "seed": 0, "accuracy": 0.5}]
    key = ("config", "seed")
    assert len(results.add_rows(tmp_path / "r.csv", rows, key)) == 1
    assert len(results.add_rows(tmp_path / "r.csv", rows, key)) == 1
    assert len(results.add_rows(tmp_path / "r.csv", [{**rows[0], "seed": 1}], key)) == 2
