-- Consent by purpose: state, source, time, and the contact that it was said of, as it was then. No event writes it (S47).

alter table contacts add column consent jsonb not null default '{}';
alter type contact_row add attribute consent jsonb;
