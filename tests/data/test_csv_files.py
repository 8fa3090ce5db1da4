"""CSV files of every make give one table, or a sentence that says how to read them."""

import bz2
import gzip
import lzma

import numpy as np
import pytest

from gcl.data.tables import as_ids, read_table

pytest.importorskip("pandas")
TEXT = "source,target,km\nJosé,Zoë,1\nZoë,Müller,2\n"
IDS = (None, None)


def columns(path, ids=IDS):
    return {name: column.tolist() for name, column in read_table("here", path, ids).items()}


EXPECTED = {"source": ["José", "Zoë"], "target": ["Zoë", "Müller"], "km": [1, 2]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_one_table_however_it_is_written(tmp_path, encoding, end, mark, pack):
    path = tmp_path / "a b.csv"
    path.write_bytes(pack(TEXT.replace("\n", end).replace(",", mark).encode(encoding)))
    assert columns(path) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        "\n\n" + TEXT,
        TEXT.replace("source,target,km", ' source ,"target", km'),
        TEXT.replace("\n", ",\n"),  # an empty column without a name
    ],
)
def test_names_are_stripped_and_empty_columns_left_out(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert columns(tmp_path / "a.csv") == EXPECTED


def test_marks_inside_of_quotes_do_not_separate(tmp_path):
    (tmp_path / "a.csv").write_text('source,"the; target; of; it"\na,"b;c;d"\n')
    assert columns(tmp_path / "a.csv") == {"source": ["a"], "the; target; of; it": ["b;c;d"]}


def test_words_and_numbers_of_a_column_are_told_once(tmp_path):
    # pandas would tell them by parts of some 100,000 rows: 1.0 in one, "1.0" in another.
    rows = [f"{i},1.0" for i in range(300_000)] + ["x,y"]
    (tmp_path / "a.csv").write_text("id,k\n" + "\n".join(rows) + "\n")
    assert set(read_table("here", tmp_path / "a.csv", (None,))["k"]) == {"1.0", "y"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; its first line must name the columns"),
        (b"\n\n", "is empty"),
        (TEXT.encode("latin-1"), r"not written in UTF-8 \(byte 0xe9 .*encoding='latin-1'"),
        (b"id;k\na;x\nb;\xe9\n", r"a\.csv', sep=';', encoding='latin-1'"),
        (b"id,k\na,x\nb,\xe9\n", r"not written in UTF-8 \(byte 0xe9 .*a\.csv', encoding="),
        (gzip.compress(TEXT.encode(), mtime=0)[:30], "cannot be unpacked"),
        (lzma.compress(TEXT.encode())[:-20], "cannot be unpacked"),
        (b"PK\x03\x04rest", "is no text file; read it by pandas.read_excel"),
        (b"PAR1rest", "is no text file"),
        (b"source,target\na\0,b\n", "is no text file"),
        (TEXT.encode("utf-16-le"), "is no text file"),
        (b"a,b\n1,2\n1,2,3,4\n", "rows with more values|is no table of commas"),
        (b"id,age,age\na,1,2\n", "several columns are called 'age' in the first line"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_table("here", tmp_path / "a.csv", IDS)
    assert "a.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file nowhere\.csv"):
        read_table("here", "nowhere.csv")
    with pytest.raises(FileNotFoundError, match="which is a folder"):
        read_table("here", tmp_path)


def test_ids_after_an_index_are_as_they_are_written(tmp_path):
    (tmp_path / "a.csv").write_text(",follower,followed\n0,007,1\n1,1,007\n")
    with pytest.warns(UserWarning, match="left out the first column"):
        found = read_table("here", tmp_path / "a.csv", IDS)
    assert as_ids("here", found["follower"], "x").tolist() == ["007", "1"]
    assert list(found) == ["follower", "followed"]


def test_text_in_a_column_without_a_name_are_ids(tmp_path):
    (tmp_path / "a.csv").write_text(",age\nann,30\nbob,20\n")
    found = read_table("here", tmp_path / "a.csv", (None,))
    assert found["Unnamed: 0"].tolist() == ["ann", "bob"]
    np.testing.assert_array_equal(found["age"], [30, 20])
