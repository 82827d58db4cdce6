"""The rows of many cases as SQL, one statement per table: what `benchmarks.case_lists` reads."""

from __future__ import annotations

from typing import Final

# Ids begin with the time, as real ones do.
_PARTY: Final = "(lpad(to_hex(1760000000000 + n * 40), 12, '0') || '8' || substr(md5('party' || n), 1, 19))::uuid"
_CASE: Final = "(lpad(to_hex(1760000000000 + n * 40), 12, '0') || '8' || substr(md5('case' || n), 1, 19))::uuid"
# $1, $2: numbers; :day; :headers and :value of an event; :mobile, the blind index of case 77.
# Rare ones are one in a thousand: another core, a business loan, a suspension for a dispute.
FILL: Final = (
    f"""
INSERT INTO case_file (tenant, party_id, case_id, core, version, status, as_of, suspended, opened_at, bucket,
                       days_contractual, days_effective, overdue_minor, held)
SELECT 'bank', {_PARTY}, {_CASE}, CASE WHEN n % 1000 = 1 THEN 'core-b' ELSE 'core-a' END, 1,
       CASE WHEN n % 10 = 0 THEN 'cured' ELSE 'open' END, :day - n % 2,
       CASE WHEN n % 1000 = 2 THEN ARRAY['disputed'] WHEN n % 50 = 3 THEN ARRAY['on_hold'] ELSE '{{}}' END,
       :day - n % 120, b.bucket, b.days, b.days,
       json_build_array(json_build_array(CASE WHEN n % 1000 = 4 THEN 'JPY' ELSE 'CNY' END, 1000 + n % 400000))::text,
       n % 1000 = 5
FROM generate_series($1::int, $2::int) AS n, LATERAL (
  SELECT CASE WHEN n % 10 = 0 THEN 'current' WHEN d <= 30 THEN 'B1' WHEN d <= 60 THEN 'B2' WHEN d <= 90 THEN 'B3'
         WHEN d <= 180 THEN 'B4' ELSE 'B5' END AS bucket, CASE WHEN n % 10 = 0 THEN 0 ELSE d END AS days
  FROM (SELECT 1 + (n * 7919::bigint % 200)::int AS d) AS one) AS b
""",
    f"""
INSERT INTO loan (tenant, party_id, core, loan_ref, loan_id, terms, statement)
SELECT 'bank', {_PARTY}, 'core-a', 'L-' || n, md5('loan' || n)::uuid, json_build_object('product_class',
       CASE WHEN n % 1000 = 6 THEN 'business' ELSE 'consumer' END, 'jurisdiction', 'CN')::text, NULL
FROM generate_series($1::int, $2::int) AS n
""",
    f"""
INSERT INTO person (tenant, party_id, profile, parked_by, pauses, mobile_index)
SELECT 'bank', {_PARTY}, json_build_object('jurisdiction', CASE WHEN n % 1000 = 7 THEN 'TW' ELSE 'CN' END,
       'language', 'zh', 'cell', 'c-' || n % 5000)::text, '{{}}', '[]',
       CASE WHEN n = 77 THEN :mobile ELSE sha256(n::text::bytea) END
FROM generate_series($1::int, $2::int) AS n
""",
    f"""
INSERT INTO party_alias (tenant, core, party_ref, party_id, reserved_at)
SELECT 'bank', 'core-a', 'P-' || n, {_PARTY}, :day FROM generate_series($1::int, $2::int) AS n
""",
    f"""
INSERT INTO next_action (tenant, party_id, case_id, number, action, reasons, rule, strategy, strategy_version,
                         strategy_sha256, arm, chosen_at)
SELECT 'bank', {_PARTY}, {_CASE}, 1,
       CASE WHEN n % 1000 = 8 THEN 'field_visit' WHEN n % 3 = 0 THEN 'remind' ELSE 'wait' END, '{{}}', 'r', 's', 1,
       'h', 'champion', :day
FROM generate_series($1::int, $2::int) AS n
""",
    f"""
INSERT INTO case_entry (tenant, party_id, event_id, happened_at, recorded_at, type, detail, about, reference)
SELECT 'bank', {_PARTY}, md5('entry' || n || k), :day - k, :day - k,
       CASE k WHEN 1 THEN 'case.opened' ELSE 'visit.completed' END, 'A sentence of some length.', 'case', 'r'
FROM generate_series($1::int, $2::int) AS n, generate_series(1, 3) AS k
""",
    f"""
INSERT INTO outbox (seq, event_id, topic, partition, key, value, headers, created_at)
SELECT n, md5('event' || n)::uuid, 'case', n % 12, convert_to({_PARTY}::text, 'UTF8'), :value, :headers,
       :day - 10 + n * interval '1 second'
FROM generate_series($1::int, $2::int) AS n
""",
)
