"""The tables, and how the classes of the model lie in them."""

from __future__ import annotations

import os

from sqlalchemy import URL, Column, Engine, ForeignKey, Integer, String, Table, create_engine, inspect
from sqlalchemy.orm import registry, relationship, sessionmaker

from examples.sqlalchemy_classical.model import Expense, Person
from flask_embed.adapters.sqlalchemy_session import request_scoped_session

#: the file with the people and their expenses
DATABASE = os.environ.get("EXPENSES_DATABASE") or os.path.join(os.path.dirname(__file__), "expenses.db")


def connect(database: str) -> Engine:
    """An engine for a file, which is opened when a session first needs it; a writer waits ten seconds for another."""
    return create_engine(URL.create("sqlite", database=database), connect_args={"timeout": 10})


engine = connect(DATABASE)

#: one session for each request, made when it is first used; the app removes it at the end of the request
db_session = request_scoped_session(sessionmaker(engine))

mappers = registry()

people = Table(
    "people",
    mappers.metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(50, collation="NOCASE"), nullable=False, unique=True),
)

# autoincrement: no id is given twice, so that an old page with its button cannot remove a newer expense
expenses = Table(
    "expenses",
    mappers.metadata,
    Column("id", Integer, primary_key=True),
    Column("what", String(100), nullable=False),
    Column("cents", Integer, nullable=False),
    Column("payer_id", ForeignKey(people.c.id), nullable=False),
    sqlite_autoincrement=True,
)


def map_classes() -> None:
    """Give the classes of the model their tables; a class can be mapped once, so the second time nothing happens.

    The columns become attributes, ``id`` included; ``payer`` is the person that ``payer_id`` names,
    fetched in the same statement.
    """
    if inspect(Person, raiseerr=False) is not None:
        return
    mappers.map_imperatively(Person, people)
    mappers.map_imperatively(Expense, expenses, properties={"payer": relationship(Person, lazy="joined")})


map_classes()


def init_db() -> None:
    """Make the tables if they are missing; what is in them stays."""
    mappers.metadata.create_all(engine)
    engine.dispose()  # the server may fork now, and a connection is of one process
