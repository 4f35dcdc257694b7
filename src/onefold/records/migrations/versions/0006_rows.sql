-- The shapes in which rows are sent: one array of them a statement, instead of an array a column (decision 0014).
--
-- Types of their own, not the tables' row types: a worker that is still of the version before sends what it knows while a later migration
-- adds a column. A shape is never altered; a change brings a new one, and the old one goes when no worker can send it any more.

create type contact_row as (
  workspace text, contact_id uuid, version bigint, type text, given_name text, last_name text, email text, phone text,
  is_vendor boolean, organization_id uuid, attributes jsonb, tags jsonb, provenance jsonb, summary jsonb, identifiers_total integer,
  merged_into uuid, root uuid, archived_at timestamptz, first_seen_at timestamptz, last_seen_at timestamptz, created_at timestamptz,
  updated_at timestamptz
);

create type tenure_row as (
  tenure_id bigint, workspace text, identifier_key bytea, contact_id uuid, semantic_type text, identifier text, normalised text,
  slug text, assurance smallint, is_validated boolean, validated_at timestamptz, validated_by text, source text, outreach boolean,
  first_seen_at timestamptz, last_seen_at timestamptz, used_at timestamptz, used_event text, held_from timestamptz,
  held_from_event text, held_until timestamptz, via bigint, joined_at timestamptz, joins_in_hour integer, joins_in_day integer
);

create type tenure_change as (
  tenure_id bigint, workspace text, slug text, assurance smallint, is_validated boolean, validated_at timestamptz, validated_by text,
  first_seen_at timestamptz, last_seen_at timestamptz, used_at timestamptz, used_event text, held_until timestamptz,
  joined_at timestamptz, joins_in_hour integer, joins_in_day integer
);

create type evidence_row as (
  tenure_id bigint, workspace text, ordinal smallint, event_id text, topic text, partition integer, "offset" bigint, at timestamptz,
  rule text, assurance smallint
);

create type merge_row as (
  merge_id uuid, workspace text, survivor uuid, absorbed uuid, at timestamptz, cause jsonb, tenures bigint[], absorbed_record jsonb,
  lost jsonb
);
