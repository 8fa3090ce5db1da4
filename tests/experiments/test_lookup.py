"""Functions by the names that a command line or a file gives them."""

import statistics

import pytest

import gcl
from gcl.experiments.lookup import find_recipe, find_variant, first_line, imported, unknown


def test_names_of_the_package_and_of_elsewhere():
    assert find_recipe("grace") is gcl.methods.grace
    assert find_variant("macl") is gcl.methods.macl
    assert find_recipe("statistics:median") is statistics.median
    assert find_variant("statistics:median") is statistics.median


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("macl", "Unknown recipe 'macl'; known: adameow, afgrl, .*vicreg, or your own as package"),
        ("no_such_module:f", "recipe 'no_such_module:f' cannot be imported: No module named"),
        (
            "statistics:nothing",
            "recipe 'statistics:nothing' cannot be imported: .*has no 'nothing'",
        ),
        (":f", "recipe ':f' cannot be imported: Empty module name"),
        ("math:pi", "recipe 'math:pi' is not a function"),
    ],
)
def test_what_is_not_there(name, message):
    with pytest.raises(ValueError, match=message):
        find_recipe(name)


def test_a_file_of_the_working_folder_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["nowhere"])
    (tmp_path / "a_recipe_of_mine.py").write_text("def made(data):\n    return data + 1\n")
    assert imported("a_recipe_of_mine:made", "recipe")(2) == 3


def test_the_names_that_are_known_come_in_order():
    told = str(unknown("fruit", "apfel", ["pear", "apple"]))
    assert told == (
        "Unknown fruit 'apfel'; known: apple, pear, or your own as package.module:function."
    )


def test_first_lines():
    def bare():
        pass

    def told():
        """One line.

        And more.
        """

    assert (first_line(bare), first_line(told)) == ("", "One line.")


def test_a_path_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.py").write_text(
        "from math import sqrt\n\ndef _hidden(): ...\n\ndef made(data):\n    return data + 1\n"
    )
    for name in ("./sub/mine.py:made", "sub/mine.py:made", "sub/mine.py", tmp_path / "sub/mine.py"):
        assert imported(str(name), "recipe")(2) == 3
    assert find_recipe("sub/mine.py") is find_recipe("./sub/mine.py:made")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file mine.py"),
        ("", "name one of its functions after a colon: none"),
        ("def a(): ...\ndef b(): ...\n", "name one of its functions after a colon: a, b"),
        ("def a(:\n", "invalid syntax"),
        ("import no_such_module\n", "No module named"),
    ],
)
def test_what_a_path_does_not_hold(tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    with pytest.raises(ValueError, match=f"recipe 'mine.py' cannot be imported: .*{said}"):
        find_recipe("mine.py")
