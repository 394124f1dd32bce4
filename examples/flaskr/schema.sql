-- Harmless to run twice: entries that are there stay. (The type is text: SQLite knows no "string" and would
-- make the number 7 of the title 007.)
create table if not exists entries (
    id integer primary key autoincrement,
    title text not null,
    text text not null
);
