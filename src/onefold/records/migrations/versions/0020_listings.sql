-- A contact lists at most 200 identifiers, labelled ones first, then the oldest. An index in this order gives them without reading, and
-- sorting, all that a contact of 10,000 holds. It takes the place of the one by contact alone.

create index identifiers_listing on identifiers (contact_id, workspace, (slug is null), tenure_id);
drop index identifiers_contact;
