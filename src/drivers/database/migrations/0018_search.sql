-- Searches find repositories by a part of their description too (by name: repository_name_trgm).
create index repository_description_trgm on repository using gin (description gin_trgm_ops);

-- Two letters are no trigram: short words are looked for at the beginning of names, in this order.
create index repository_name on repository (name) where state <> 3;

-- Which namespaces have something public is answered without looking at what is private in them.
create index repository_namespace_user_id_visibility_id on repository (namespace_user_id, visibility_id) where state <> 3;
