-- Rows of the clinic. What is protected and what a mask takes away comes from `salt`; all else, what a mask leaves included,
-- from the row's number alone. Lengths never depend on the salt, so that rows lie in the same places.
SET client_min_messages = warning;
SET session_replication_role = replica;

-- Ten letters that occur nowhere else: what is searched for in the bytes that come back.
CREATE FUNCTION pg_temp.word(key text) RETURNS text LANGUAGE sql AS
    $$SELECT translate(left(md5(current_setting('shadow.salt') || key), 10), '0123456789abcdef', 'ghjkmnpqrstvwxyz')$$;
-- A number from 0 to below the bound.
CREATE FUNCTION pg_temp.hidden(key text, bound integer) RETURNS integer LANGUAGE sql AS
    $$SELECT (('x' || left(md5(current_setting('shadow.salt') || key), 7))::bit(28)::integer % bound)$$;
CREATE FUNCTION pg_temp.open(key text, bound integer) RETURNS integer LANGUAGE sql AS
    $$SELECT (('x' || left(md5('open' || key), 7))::bit(28)::integer % bound)$$;
SELECT set_config('shadow.salt', :'salt', false);

CREATE TABLE pg_temp.drawn AS
SELECT n AS id,
    (ARRAY['Ada', 'Bo', 'Chidi', 'Dora', 'Emil', 'Fatou', 'Goran'])[1 + n % 7] || ' ' || (ARRAY['Berg', 'Costa', 'Dahl', 'Ekwueme', 'Fox'])[1 + n % 5] AS name,
    CASE WHEN n % 11 <> 0 THEN chr(97 + n % 7) || pg_temp.word('mail' || n) || '@' || (ARRAY['example.org', 'example.net', 'mail.example.com'])[1 + n % 3] END AS email,
    CASE WHEN n % 9 <> 0 THEN '+31' || lpad(pg_temp.hidden('phone' || n, 10000000)::text, 7, '7') || lpad((n % 100)::text, 2, '0') END::varchar(20) AS phone,
    lpad(pg_temp.hidden('ssn' || n, 999)::text, 3, '4') || '-' || lpad(pg_temp.hidden('ssn2' || n, 99)::text, 2, '3') || '-' || lpad(pg_temp.hidden('ssn3' || n, 9999)::text, 4, '8') AS ssn,
    CASE WHEN n % 13 <> 0 THEN make_date(1930 + pg_temp.open('year' || n, 80), 1 + pg_temp.hidden('month' || n, 12), 2 + pg_temp.hidden('day' || n, 26)) END AS born,
    41.5 + 10 * pg_temp.open('weight' || n, 8) + pg_temp.hidden('weight' || n, 8) AS weight,
    1000000000000000::bigint + pg_temp.hidden('token' || n, 100000000) AS token,
    (ARRAY['a', 'b', 'ab', 'zero'])[1 + n % 4]::blood AS blood,
    ARRAY['t' || n % 3, 't' || n % 4] AS tags,
    ARRAY[pg_temp.word('alias' || n), pg_temp.word('alias2' || n)] AS aliases,
    ROW(pg_temp.word('cphone' || n), pg_temp.word('cstreet' || n))::contact AS contact,
    jsonb_build_object('lang', (ARRAY['en', 'nl', 'fr'])[1 + n % 3], 'level', n % 5, 'list', jsonb_build_array(n, n % 2 = 0, NULL)) AS prefs,
    jsonb_build_object('what', pg_temp.word('history' || n), 'n', 1000 + pg_temp.hidden('history' || n, 8000)) AS history,
    convert_to(pg_temp.word('photo' || n), 'UTF8') AS photo,
    ('10.' || pg_temp.hidden('home' || n, 200) + 20 || '.' || pg_temp.hidden('home2' || n, 200) + 20 || '.' || pg_temp.hidden('home3' || n, 200) + 20)::inet AS home,
    daterange(make_date(2020, 1 + pg_temp.hidden('stay' || n, 12), 3), make_date(2021, 1 + pg_temp.hidden('stay2' || n, 12), 5)) AS stay,
    make_timestamptz(2020 + n % 5, 1 + n % 12, 1 + pg_temp.hidden('seen' || n, 28), pg_temp.hidden('seen2' || n, 24), pg_temp.hidden('seen3' || n, 60), 7, 'UTC') AS seen,
    (chr(104 + n % 5) || pg_temp.word('handle' || n) || '@clinic.example')::mail_address AS handle,
    100 * pg_temp.open('score' || n, 9) + pg_temp.hidden('score' || n, 99) + 0.5 AS score,
    CASE WHEN n % 4 <> 0 THEN pg_temp.word('note' || n) || ' ' || pg_temp.word('note2' || n) END AS note,
    (ARRAY['north', 'south', 'east', NULL])[1 + n % 4] AS ward,
    n % 6 <> 0 AS active,
    timestamptz '2023-02-01 08:00+00' + n * interval '37 hours' AS created_at
FROM generate_series(1, 26) AS n;

INSERT INTO patients SELECT * FROM pg_temp.drawn WHERE id <= 20 ORDER BY id;
INSERT INTO guests (id, name, email, phone, ssn, born, weight, token, blood, tags, aliases, contact, prefs, history, photo, home,
    stay, seen, handle, score, note, ward, active, created_at, valet)
    SELECT drawn.*, 'valet ' || id FROM pg_temp.drawn WHERE id > 20 ORDER BY id;
INSERT INTO staff SELECT n, 'Dr ' || chr(64 + n), CASE WHEN n > 1 THEN n / 2 END, 4000000 + 100000 * (n * 7 % 50) + pg_temp.hidden('wage' || n, 100000),
    pg_temp.word('pin' || n), date '2010-01-01' + n * 97 FROM generate_series(1, 9) AS n;
INSERT INTO visits SELECT n, 1 + n * 7 % 20, CASE WHEN n % 5 <> 0 THEN 1 + n % 9 END, timestamptz '2024-01-03 09:00+00' + n * interval '53 hours',
    (ARRAY['north', 'south', 'east', 'west'])[1 + n % 4], n * 13 % 400 + 0.25, CASE WHEN n % 6 <> 0 THEN pg_temp.word('diagnosis' || n) END, n % 3 = 0
    FROM generate_series(1, 40) AS n;
INSERT INTO measures SELECT n, 1 + n % 20, timestamptz '2024-06-01 00:00+00' + n * interval '9 days', (ARRAY['pulse', 'temp', 'sugar'])[1 + n % 3],
    50 * pg_temp.open('value' || n, 20) + 1 + pg_temp.hidden('value' || n, 48), jsonb_build_object('raw', pg_temp.word('raw' || n))
    FROM generate_series(1, 40) AS n;
INSERT INTO items SELECT n, 'item ' || n, CASE WHEN n % 5 <> 0 THEN n * 3.75 END, n * 11 % 40,
    jsonb_build_object('color', (ARRAY['red', 'blue'])[1 + n % 2], 'n', n, 'deep', jsonb_build_object('a', jsonb_build_array(n, n + 1))),
    ARRAY[n, n * 2, n % 3], int4range(n, n + n % 4 + 1), n / 8.0, date '2024-02-28' + n, md5(n::text)::uuid, (n % 256)::bit(8),
    (ARRAY['a', 'b', 'ab', 'zero'])[1 + n % 4]::blood, n * 7 % 101, point(n, n % 3), n * interval '1 day 2 hours', ROW(n, 'p' || n % 3)::pair
    FROM generate_series(1, 14) AS n;
INSERT INTO ledger SELECT n, (ARRAY['nurse', 'chief', 'postgres'])[1 + n % 3], (ARRAY['north', 'south'])[1 + n % 2], n * 99.5,
    pg_temp.word('memo' || n) FROM generate_series(1, 12) AS n;
INSERT INTO tickets (id, patient, subject, state, contact) SELECT n, 1 + n % 20, 'subject ' || n, CASE WHEN n % 2 = 0 THEN 'open' ELSE 'closed' END,
    pg_temp.word('ticket' || n) FROM generate_series(1, 8) AS n;
INSERT INTO changes (before, after) SELECT jsonb_build_object('email', pg_temp.word('before' || n)), jsonb_build_object('email', pg_temp.word('after' || n))
    FROM generate_series(1, 3) AS n;
INSERT INTO grades VALUES (1, 'fine', '{fine,poor}'), (2, 'poor', '{}');
INSERT INTO vault SELECT n, pg_temp.word('vault' || n) FROM generate_series(1, 3) AS n;
INSERT INTO lab.copy SELECT id, email, ssn FROM patients;
SELECT setval(pg_get_serial_sequence('tickets', 'id'), 100);
REFRESH MATERIALIZED VIEW summary;
REFRESH MATERIALIZED VIEW totals;
SELECT lo_from_bytea(4711, convert_to(pg_temp.word('large'), 'UTF8'));
