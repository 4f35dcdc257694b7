-- A change of a large contact is 40 kB. Compressing it took a tenth of the time of the transaction that writes it, and it leaves the table
-- as soon as the relay has produced it.

alter table outbox alter column payload set storage external;
