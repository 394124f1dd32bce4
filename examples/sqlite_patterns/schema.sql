-- Harmless to run twice: tasks that are there stay. (autoincrement: no id is given twice, so that the button on an
-- old page cannot remove a newer task.)
create table if not exists tasks (
    id integer primary key autoincrement,
    title text not null,
    done integer not null default 0
);
