-- Documents: each of one contact and one template (product.md, section 7; decision 0038).
--
-- contact_id stays as it was given, as everything does that hangs on a contact: whoever reads follows its redirect, so a merge moves no row
-- and an unmerge returns what is the other's. No foreign key: a contact's row outlives the contact.

create table documents (
  workspace text not null,
  document_id uuid not null,
  template_id uuid not null,
  -- the template's slug, which never changes; the one profile that a document has
  template text not null,
  contact_id uuid not null,
  parent_id uuid check (parent_id <> document_id),
  slug text collate "C" not null check (slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  title text not null check (length(title) between 1 and 200),
  -- whose owners and followers: the contact's, or its own, which lie in classification
  follows_contact boolean not null,
  attributes jsonb not null default '{}',
  tags jsonb not null default '[]',
  classification jsonb not null default '{}',
  version bigint not null default 1 check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz,
  primary key (document_id, workspace),
  foreign key (template_id, workspace) references definitions (definition_id, workspace),
  foreign key (parent_id, workspace) references documents (document_id, workspace) on delete set null (parent_id)
);
create unique index documents_slug on documents (workspace, template_id, slug);
create index documents_created on documents (workspace, created_at, document_id);
create index documents_contact on documents (contact_id, workspace);
create index documents_parent on documents (parent_id, workspace) where parent_id is not null;
-- What a change of a contact's owners looks for; empty where no template is synchronised.
create index documents_following on documents (contact_id, workspace) where follows_contact;

-- Whose a destroyed one was, so that erasing the person finds what the log says of it.
create table destroyed_documents (
  workspace text not null,
  document_id uuid not null,
  contact_id uuid not null,
  primary key (document_id, workspace)
);
create index destroyed_documents_contact on destroyed_documents (contact_id, workspace);

do $$
declare t text;
begin
  foreach t in array array['documents', 'destroyed_documents'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert, delete on documents, destroyed_documents to onefold_app;
grant update (parent_id, title, follows_contact, attributes, tags, classification, version, updated_at, archived_at)
  on documents to onefold_app;

-- What lists are filtered by, as of contacts (0025). Owners and followers are the contact's where the document follows it; when the contact
-- gets others, `onefold.records.following` sees to it.
create function onefold_link_document() returns trigger
  language plpgsql
  set search_path = pg_catalog, public
as $$
declare held jsonb;
begin
  if tg_op <> 'INSERT' then
    delete from links where object_id = old.document_id and workspace = old.workspace and object_type = 'documents';
  end if;
  if tg_op <> 'DELETE' then
    held := new.classification;
    if new.follows_contact then
      select held - 'owners' - 'followers' || jsonb_build_object(
          'owners', coalesce(r.classification -> 'owners', '[]'), 'followers', coalesce(r.classification -> 'followers', '[]'))
        into held
        from contacts c join contacts r on r.contact_id = c.root and r.workspace = c.workspace
        where c.contact_id = new.contact_id and c.workspace = new.workspace;
    end if;
    insert into links (workspace, object_type, kind, value, created_at, object_id)
    select new.workspace, 'documents', l.kind, l.value, new.created_at, new.document_id from onefold_links(new.tags, held) as l;
  end if;
  return null;
end $$;

create trigger documents_link_new after insert on documents for each row execute function onefold_link_document();
create trigger documents_link_changed after update of tags, classification, follows_contact on documents for each row
  when ((new.tags, new.classification, new.follows_contact) is distinct from (old.tags, old.classification, old.follows_contact))
  execute function onefold_link_document();
create trigger documents_link_gone after delete on documents for each row execute function onefold_link_document();
