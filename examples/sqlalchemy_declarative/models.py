"""Authors and books: each class is a table, each annotated name a column of it."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from examples.sqlalchemy_declarative.database import Base


class Author(Base):
    """Somebody who has written books; no two have one name, in whatever case it is written."""

    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    #: the name as it is compared and sorted: SQLite by itself knows capitals of ASCII only
    key: Mapped[str] = mapped_column(unique=True)
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.year, Book.title")

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = name.casefold()


class Book(Base):
    """A book, which its author has once only."""

    __tablename__ = "books"
    # autoincrement: no id is given twice, so that an old page with its button cannot remove a newer book
    __table_args__ = (UniqueConstraint("author_id", "title"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    year: Mapped[int]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")
