-- Ours, beyond Quay's tables.
-- Who may put, replace or take away the object of a digest, on whatever node, until it lets go or stops renewing.
create table blobclaim (
  digest varchar(255) collate "C" primary key,
  token varchar(64) not null,
  expires_at timestamp not null
);
