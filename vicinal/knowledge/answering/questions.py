"""Questions: facts with variables, which form a tree that hangs on `?`."""

from collections.abc import Sequence
from typing import NamedTuple

from vicinal.errors import DataError

TARGET = "?"


class Fact(NamedTuple):
    """A fact of a question; a variable is a text, an entity a number."""

    head: str | int
    relation: int
    tail: str | int

    def other(self, variable: str) -> str | int:
        """Return the other end."""
        return self.tail if self.head == variable else self.head

    @property
    def variables(self) -> list[str]:
        """Return the variables at its ends."""
        return [end for end in (self.head, self.tail) if isinstance(end, str)]


def check_query(facts: Sequence[Fact]) -> None:
    """Raise DataError unless facts form a tree that hangs on the target."""
    if not any(TARGET in fact.variables for fact in facts):
        raise DataError(
            "A question asks for one entity, written as ?. For example: "
            "paris capital_of ?"
        )
    seen, todo, used = {TARGET}, [TARGET], set[int]()
    while todo:
        variable = todo.pop()
        for number, fact in enumerate(facts):
            if number in used or variable not in fact.variables:
                continue
            used.add(number)
            other = fact.other(variable)
            if isinstance(other, int):
                continue
            if other in seen:
                raise DataError(
                    "The facts of a question must not form a circle: "
                    f"{other} is reached in two ways."
                )
            seen.add(other)
            todo.append(other)
    if len(used) < len(facts):
        raise DataError("Each fact of a question must be connected with the ?.")
    for variable in seen - {TARGET}:
        if sum(variable in fact.variables for fact in facts) == 1:
            raise DataError(
                f"{variable} occurs in one fact only, so that it could be anything. "
                "Remove that fact, or say more of it."
            )
