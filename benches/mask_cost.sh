#!/usr/bin/env bash
# What masking costs the server: a million rows through the text that pgcovenant sends, beside a view with the same masks
# as somebody would write them by hand, and beside the raw columns.
#
#   benches/mask_cost.sh [ROUNDS]                             7 rounds, if not said
#
# Everything is read by COPY (…) TO '/dev/null' in the server itself, so that neither network nor proxy counts, and what is
# measured is the processor time of the server. The three take turns, so that a slow minute of the machine hits all of
# them; the median of the rounds is shown. ROWS changes how many rows there are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/demo/lib.sh
trap stop_all EXIT INT TERM

ROUNDS=${1:-7}
ROWS=${ROWS:-1000000}

install_base
install_packages python3=python3
build
WORK=$(mktemp -d "${TMPDIR:-/tmp}/pgcovenant-bench-XXXXXX")
STOP+=("rm -rf '$WORK'")
# One process does the work, and what the planner adds on top of it is not masking.
start_postgres "$(pick_port 54730)" "autovacuum = off" "max_parallel_workers_per_gather = 0" "jit = off"

as_superuser -d postgres -c 'CREATE DATABASE shop'
as_superuser -d shop <<SQL
CREATE TABLE people (
    id bigint PRIMARY KEY, email varchar(120) NOT NULL, phone text, card varchar(19) NOT NULL, birth_date date,
    salary numeric(12, 2), notes text, settings jsonb);
INSERT INTO people
SELECT g, 'person' || g || '@mail.example.com', '+31 20 ' || g, lpad(g::text, 16, '4'), date '1950-01-01' + (g % 20000),
       g % 100000 + 0.5, CASE WHEN g % 3 = 0 THEN 'called on day ' || g END,
       jsonb_build_object('city', 'Delft', 'mail', 'p' || g || '@x.org', 'ssn', g::text)
  FROM generate_series(1, $ROWS) g;
VACUUM (ANALYZE, FREEZE) people;
-- The same masks by hand: the same cases, the same types of the result.
CREATE VIEW by_hand AS
SELECT id,
       CASE WHEN email IS NOT NULL THEN
            CASE WHEN strpos(email, '@') > 1 THEN left(email, 1) || '****' || substr(email, strpos(email, '@'))
                 ELSE '****' END END::varchar(120) AS email,
       CASE WHEN phone IS NOT NULL THEN
            CASE WHEN length(phone) > 6 THEN left(phone, 4) || '****' || right(phone, 2) ELSE '****' END END AS phone,
       CASE WHEN card IS NOT NULL THEN
            CASE WHEN length(card) > 4 THEN '************' || right(card, 4) ELSE '************' END END::varchar(19) AS card,
       CASE WHEN birth_date IS NOT NULL AND birth_date BETWEEN '0002-01-01' AND '9999-01-01'
            THEN date_trunc('year', birth_date::timestamp)::date END AS birth_date,
       CASE WHEN salary IS NOT NULL AND salary BETWEEN -9999990000 AND 10000000000
            THEN (floor(salary / 10000) * 10000)::numeric(12, 2) END AS salary,
       CASE WHEN notes IS NOT NULL THEN regexp_replace(notes, '[^ -/:-@[-\`{-~]', '*', 'g') END AS notes,
       CASE WHEN settings IS NOT NULL THEN
            CASE WHEN jsonb_typeof(settings) = 'object' THEN
                 ('{' || concat_ws(',',
                     '"city":' || CASE WHEN jsonb_typeof(settings #> '{city}') IN ('object', 'array') THEN '"****"'
                                       ELSE (settings #> '{city}')::text END,
                     '"mail":' || CASE WHEN jsonb_typeof(settings #> '{mail}') IN ('string', 'number', 'boolean') THEN
                                            to_json(CASE WHEN strpos(settings #>> '{mail}', '@') > 1
                                                         THEN left(settings #>> '{mail}', 1) || '****'
                                                              || substr(settings #>> '{mail}', strpos(settings #>> '{mail}', '@'))
                                                         ELSE '****' END)::text
                                       WHEN jsonb_typeof(settings #> '{mail}') IN ('object', 'array') THEN '"****"'
                                       ELSE (settings #> '{mail}')::text END) || '}')::jsonb
                 ELSE '"****"' END END AS settings
  FROM people;
SQL

mkdir "$WORK/policies"
cat >"$WORK/policies/contract.odcs.yaml" <<'YAML'
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
servers:
  - {server: main, type: postgresql, host: localhost, port: 5432, database: shop, schema: public}
schema:
  - name: people
    logicalType: object
    physicalType: table
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, primaryKeyPosition: 1}
      - {name: email, logicalType: string, physicalType: varchar(120)}
      - {name: phone, logicalType: string, physicalType: text}
      - {name: card, logicalType: string, physicalType: varchar(19)}
      - {name: birth_date, logicalType: date, physicalType: date}
      - {name: salary, logicalType: number, physicalType: "numeric(12,2)"}
      - {name: notes, logicalType: string, physicalType: text}
      - {name: settings, logicalType: object, physicalType: jsonb}
YAML
cat >"$WORK/policies/policy.yaml" <<'YAML'
apiVersion: pgcovenant/v1
kind: Policy
metadata: {name: bench, version: 1}
rules:
  - {name: email, columns: {names: [public.people.email]}, to: everyone, action: {mask: email}}
  - {name: phone, columns: {names: [public.people.phone]}, to: everyone, action: {mask: {partial: {prefix: 4, suffix: 2}}}}
  - {name: card, columns: {names: [public.people.card]}, to: everyone, action: {mask: {partial: {suffix: 4, padding: "************"}}}}
  - {name: birth, columns: {names: [public.people.birth_date]}, to: everyone, action: {mask: {date_trunc: year}}}
  - {name: salary, columns: {names: [public.people.salary]}, to: everyone, action: {mask: {round: 10000}}}
  - {name: notes, columns: {names: [public.people.notes]}, to: everyone, action: {mask: redact}}
  - {name: settings, columns: {names: [public.people.settings]}, to: everyone, action: {mask: {json: {paths: {$.city: keep, $.mail: email}}}}}
YAML

# The text that is sent for a statement.
sent() {
    "$BIN" explain --config "$WORK/policies" --as user=anna,database=shop --format json "$1" \
        | python3 -c 'import json, sys; print(json.load(sys.stdin)["sent"])'
}

# Processor time of the server for a text.
milliseconds() {
    as_superuser -d shop -c "SET client_min_messages = log" -c "SET log_statement_stats = on" -c "COPY ($1) TO '/dev/null'" 2>&1 \
        | awk '/ s elapsed/ { spent = ($2 + $5) * 1000 } END { print spent }'
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

printf '%-12s %10s %10s %10s %8s\n' "$ROWS rows" raw 'by hand' pgcovenant ratio
for columns in email phone card birth_date salary notes settings "id, email, phone, card, birth_date, salary, notes"; do
    text=$(sent "SELECT $columns FROM people")
    same=$(as_superuser -d shop -c "SELECT count(*) FROM (($text) EXCEPT ALL SELECT $columns FROM by_hand) x")
    [ "$same" = 0 ] || die "the view by hand shows something else in $columns"
    : >"$WORK/raw" && : >"$WORK/hand" && : >"$WORK/ours"
    for ((round = 0; round < ROUNDS; round++)); do
        milliseconds "SELECT $columns FROM people" >>"$WORK/raw"
        milliseconds "SELECT $columns FROM by_hand" >>"$WORK/hand"
        milliseconds "$text" >>"$WORK/ours"
    done
    raw=$(median <"$WORK/raw") hand=$(median <"$WORK/hand") ours=$(median <"$WORK/ours")
    name=${columns/id, */all but json}
    awk -v n="$name" -v r="$raw" -v h="$hand" -v o="$ours" \
        'BEGIN { printf "%-12s %7.0f ms %7.0f ms %7.0f ms %8.2f\n", n, r, h, o, o / h }'
done
