"""The engine and the tables: no classes, rows are rows."""

from __future__ import annotations

import os

from sqlalchemy import (
    URL,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
)

#: the file with the polls
DATABASE = os.environ.get("POLLS_DATABASE") or os.path.join(os.path.dirname(__file__), "polls.db")


def connect(database: str) -> Engine:
    """An engine for a file, which is opened by the first connection; a writer waits ten seconds for another."""
    return create_engine(URL.create("sqlite", database=database), connect_args={"timeout": 10})


engine = connect(DATABASE)

metadata = MetaData()

polls = Table(
    "polls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("question", String(200), nullable=False),
)

options = Table(
    "options",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("poll_id", ForeignKey(polls.c.id), nullable=False),
    Column("text", String(100), nullable=False),
    Column("votes", Integer, nullable=False, default=0),
    UniqueConstraint("poll_id", "text"),
)


def init_db() -> None:
    """Make the tables if they are missing; what is in them stays."""
    metadata.create_all(engine)
    engine.dispose()  # the server may fork now, and a connection is of one process
