-- Somebody to read and to follow, for a site that is empty so far. Their password hashes are none, so that
-- nobody can log in as them. All or nothing: where somebody has one of these ids or names, the first insert fails.
begin immediate;

insert into user (id, username, password_hash) values (1, 'minitwit', '!'), (2, 'heron', '!'), (3, 'wagtail', '!');

insert into follower (who_id, whom_id) values (2, 3), (3, 2), (3, 1);

insert into message (author_id, text, written) values
    (2, 'Standing in the reeds. Nothing yet.', strftime('%s', 'now') - 93600),
    (3, 'Six mayflies before breakfast!', strftime('%s', 'now') - 86400),
    (2, 'Still standing in the reeds. One frog.', strftime('%s', 'now') - 50400),
    (3, 'Somebody should tell @heron that you can also run after them.', strftime('%s', 'now') - 46800),
    (1, 'Welcome! Register, write something, and follow whom you like to read.', strftime('%s', 'now') - 3600);

commit;
