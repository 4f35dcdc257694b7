-- Why something that an event named is not where the rest of it is: the reason of its outcome, kept with the evidence that it left behind.
-- Null where everything that it named came together, and in evidence from before this column.

alter table evidence add column guard text;
