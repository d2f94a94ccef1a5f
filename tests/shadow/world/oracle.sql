-- Turns a copy of the clinic into the database that a governed session is to see: masked columns hold their masked values,
-- written here by hand, generated columns over them hold NULL, and what is denied is not granted to `nurse`.
SET client_min_messages = warning;
SET session_replication_role = replica;
ALTER TABLE patients ALTER COLUMN search DROP EXPRESSION;
UPDATE patients SET
    email = CASE WHEN email IS NOT NULL THEN left(email, 1) || '****@' || split_part(email, '@', 2) END,
    handle = left(handle, 1) || '****@' || split_part(handle, '@', 2),
    phone = left(phone, 3) || '*****' || right(phone, 2),
    born = make_date(extract(year FROM born)::integer, 1, 1),
    seen = make_timestamptz(extract(year FROM seen AT TIME ZONE 'UTC')::integer, extract(month FROM seen AT TIME ZONE 'UTC')::integer, 1, 0, 0, 0, 'UTC'),
    weight = weight - mod(weight, 10),
    score = trunc(score::numeric / 100) * 100,
    contact = NULL, history = NULL, home = NULL, stay = NULL, search = NULL,
    aliases = ARRAY[]::text[],
    photo = '',
    note = translate(note, 'abcdefghijklmnopqrstuvwxyz', 'xxxxxxxxxxxxxxxxxxxxxxxxxx');
UPDATE staff SET wage = wage - wage % 100000;
UPDATE visits SET diagnosis = '[closed]';
UPDATE measures SET value = value - mod(value, 50), raw = NULL;
UPDATE ledger SET memo = NULL;
UPDATE tickets SET contact = '[closed]';
ALTER TABLE tickets DISABLE TRIGGER note_ticket;
ALTER TABLE tickets ALTER COLUMN contact SET DEFAULT '[closed]';
ALTER TABLE visits DISABLE TRIGGER cry;
ALTER VIEW invoker RESET (security_invoker);
REVOKE ALL ON ALL TABLES IN SCHEMA public, lab FROM nurse;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
GRANT SELECT ON visits, measures, measures_2024, measures_2025, measures_2025_a, measures_2025_b, items, ledger, tickets, open_patients,
    nested, contacts, wards, domains, heavy, barrier, editable, ruled, noted, chain, totals TO nurse;
GRANT SELECT (id) ON changes, numbers TO nurse;
GRANT SELECT (id, name, email, phone, born, weight, blood, tags, aliases, contact, prefs, history, photo, home, stay, seen, handle, score, note,
    ward, active, created_at, initial, search), UPDATE (name, ward, note) ON patients TO nurse;
GRANT SELECT (id, name, email, phone, born, weight, blood, tags, aliases, contact, prefs, history, photo, home, stay, seen, handle, score, note,
    ward, active, created_at, initial, search, valet) ON guests TO nurse;
GRANT SELECT (id, name, boss, wage, hired) ON staff TO nurse;
GRANT SELECT (id, email) ON invoker TO nurse;
GRANT UPDATE (ward, urgent) ON visits TO nurse;
GRANT UPDATE (subject, state), INSERT (patient, subject, state), DELETE ON tickets TO nurse;
GRANT UPDATE, INSERT, DELETE ON items TO nurse;
