"""The engine, the session and the base of the models."""

from __future__ import annotations

import os

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.orm import DeclarativeBase, scoped_session, sessionmaker

#: the file with the books
DATABASE = os.environ.get("LIBRARY_DATABASE") or os.path.join(os.path.dirname(__file__), "library.db")


def connect(database: str) -> Engine:
    """An engine for a file, which is opened when a session first needs it; a writer waits ten seconds for another."""
    return create_engine(URL.create("sqlite", database=database), connect_args={"timeout": 10})


engine = connect(DATABASE)

#: one session for each thread, made when it is first used; the app removes it at the end of a request
db_session = scoped_session(sessionmaker(engine))


class Base(DeclarativeBase):
    """The base of the models; its metadata knows their tables."""


def init_db() -> None:
    """Make the tables if they are missing; what is in them stays."""
    from examples.sqlalchemy_declarative import models  # noqa: F401 a table is known once its class is defined

    Base.metadata.create_all(engine)
    engine.dispose()  # the server may fork now, and a connection is of one process
