"""Questions in a file: a row each, of three cells or a multiple of them."""

from pathlib import Path

from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import DataError, NoDataError, VicinalError
from vicinal.graphs.data.tables.directories import table_suffix
from vicinal.graphs.data.tables.text_files import check_exists
from vicinal.knowledge.answering.names import GraphNames
from vicinal.knowledge.data.columns import find_roles
from vicinal.knowledge.data.files import TEXT_SUFFIXES, separator_of
from vicinal.knowledge.data.lines import is_comment, line_blocks, split_line
from vicinal.knowledge.settings import TripleColumns

AND = "and"
TWO = ("head", "relation")


def is_question_file(words: list[str]) -> bool:
    """Return whether one word names a table; NoDataError if it does not exist."""
    if len(words) != 1:
        return False
    if Path(words[0]).is_file():
        return True
    if table_suffix(Path(words[0])) in TEXT_SUFFIXES:
        check_exists(Path(words[0]))
        raise NoDataError(f"{words[0]} is no file of questions.")
    return False


def read_questions(
    path: str, names: GraphNames
) -> tuple[list[list[str]], list[Quarantined]]:
    """Return the words of each question, and the rows that are none.

    The cells of a row are a head, a relation and a tail, or only the first two; more
    facts follow in the same row. A header is recognised and left out. Raises
    NoDataError if no row is a question.
    """
    rows, quarantined = list[list[str]](), list[Quarantined]()
    separator, is_first = None, True
    for first, lines in line_blocks(Path(path)):
        for number, line in enumerate(lines, first):
            if is_comment(line):
                continue
            if is_first:
                separator = separator_of(line) or _separator_of_two(line)
            cells = [cell.strip() for cell in split_line(line, separator)]
            while cells and not cells[-1]:
                cells.pop()
            if is_first and _is_header(cells):
                is_first = False
                continue
            is_first = False
            words = _words(cells)
            try:
                names.parse_query([*words, "?"] if len(words) == 2 else words)
            except VicinalError as error:
                text = " ".join(cells)
                quarantined.append(Quarantined(f"line {number}", text, str(error)))
                continue
            rows.append(words)
    if not rows:
        reason = f" {quarantined[0].reason}" if quarantined else ""
        raise NoDataError(f"No row of {path} is a question.{reason}")
    return rows, quarantined


def _is_header(cells: list[str]) -> bool:
    """Return whether cells are names of columns."""
    lower = [cell.lower() for cell in cells]
    try:
        return tuple(lower[:2]) == TWO or find_roles(lower, TripleColumns()) is not None
    except DataError:
        return False


def _words(cells: list[str]) -> list[str]:
    """Return cells as words, with `and` between facts."""
    words = list[str]()
    for k, cell in enumerate(cell for cell in cells if cell.lower() != AND):
        if k and k % 3 == 0:
            words.append(AND)
        words.append(cell)
    return words


def _separator_of_two(line: str) -> str | None:
    """Return what separates the two cells of a line; None: spaces."""
    return next((mark for mark in ("\t", ",", ";", "|") if mark in line), None)
