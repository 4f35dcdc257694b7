-- Identifiers by hand: evidence names who gave one, and a tenure may be spelled otherwise, or be written to no more.

alter type evidence_row add attribute actor text;
alter type tenure_change add attribute identifier text;
alter type tenure_change add attribute outreach boolean;
