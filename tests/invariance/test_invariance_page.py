"""The page on the families shows what the code gives."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "invariance.md"


def test_examples_of_the_page() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried > 5
    assert failed == 0
