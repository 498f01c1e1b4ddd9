-- Ours, beyond Quay's columns.
-- An upload session has one writer at a time, on whatever node: it holds the lease until it lets go or stops renewing.
alter table blobupload
  add column hash_algorithm varchar(16) not null default 'sha256',
  add column lease_token varchar(64),
  add column lease_expires_at timestamp;

-- Set when a client deletes a blob whose manifests are deleted too, but are kept for the time machine.
alter table manifestblob add column hidden boolean not null default false;
