-- Harmless to run twice: tasks that are there stay.
create table if not exists tasks (
    id integer primary key,
    title text not null,
    done integer not null default 0
);
