-- Pages of a repository's tags, newest first, are found in this index alone; pages of a million tags too.
drop index tag_repository_id_lifetime_start_ms;
create index tag_history on tag (repository_id, lifetime_start_ms desc, name, id desc)
  include (lifetime_end_ms) where not hidden and manifest_id is not null;
