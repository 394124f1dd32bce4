"""The expenses of friends, and who owes whom: plain Python without a database.

Amounts are in cents, as whole numbers: a float cannot hold 0.10.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(eq=False)
class Person:
    """One of the friends. Two people are two, even if they have one name."""

    name: str


@dataclass(eq=False)
class Expense:
    """An amount that one person paid for all of them."""

    what: str
    cents: int
    payer: Person


class Payment(NamedTuple):
    """An amount that one person gives to another, to settle."""

    giver: Person
    taker: Person
    cents: int


def balances(people: Sequence[Person], expenses: Iterable[Expense]) -> dict[Person, int]:
    """The amount that each person gets back, negative for one who owes; the sum is zero.

    Each has the same share of the whole. Cents that are left over are borne by the first people, one by each.
    """
    paid = dict.fromkeys(people, 0)
    for expense in expenses:
        paid[expense.payer] += expense.cents
    if not paid:
        return {}
    share, left_over = divmod(sum(paid.values()), len(paid))
    return {
        person: cents - share - (1 if place < left_over else 0) for place, (person, cents) in enumerate(paid.items())
    }


def settle(balances: Mapping[Person, int]) -> list[Payment]:
    """Payments that even everything out, fewer than there are people.

    The person who owes most pays the one who gets most, until all balances are zero. ValueError if the balances are
    not zero together: then no payments can do it.
    """
    if sum(balances.values()) != 0:
        raise ValueError(f"balances have to be zero together, not {sum(balances.values())} cents")
    left = dict(balances)
    payments = []
    while any(left.values()):
        giver = min(left, key=lambda person: left[person])
        taker = max(left, key=lambda person: left[person])
        cents = min(-left[giver], left[taker])
        left[giver] += cents
        left[taker] -= cents
        payments.append(Payment(giver, taker, cents))
    return payments


def parse_cents(text: str) -> int:
    """The cents of an amount as people type it: ``12``, ``12.5``, ``12.50`` or ``12,50``; ValueError for others."""
    amount = re.fullmatch("([0-9]{1,6})(?:[.,]([0-9]{1,2}))?", text)
    if amount is None:
        raise ValueError(f"{text!r} is not an amount: write it as 12.50, with up to six digits before the point")
    whole, part = amount.groups(default="")
    return 100 * int(whole) + int(part.ljust(2, "0"))


def format_cents(cents: int) -> str:
    """An amount as people read it, ``12.50``."""
    whole, part = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{part:02}"
