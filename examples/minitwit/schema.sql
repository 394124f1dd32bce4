-- Harmless to run twice: what is there stays. (autoincrement: no id is given twice, so that nobody gets the session,
-- the followers or the messages of somebody who was removed.)
create table if not exists user (
    id integer primary key autoincrement,
    username text not null unique collate nocase,
    password_hash text not null
);

-- Each row: the first follows the second.
create table if not exists follower (
    who_id integer not null references user,
    whom_id integer not null references user,
    primary key (who_id, whom_id),
    check (who_id <> whom_id)
) without rowid;

create table if not exists message (
    id integer primary key autoincrement,
    author_id integer not null references user,
    text text not null,
    written integer not null default (strftime('%s', 'now'))
);
create index if not exists message_by_author on message (author_id, id);

-- What a timeline shows of a message.
create view if not exists timeline as
    select message.id, author_id, username, text, written
    from message join user on user.id = author_id;
