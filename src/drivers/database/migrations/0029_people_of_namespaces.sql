-- Members and collaborators of an organization are asked for with all repositories that they reach: of tens of thousands
-- neither rows nor permissions of teams should be read for it, the indexes alone tell.
create index repository_live on repository (namespace_user_id, id) include (name) where state <> 3;
create index repositorypermission_people on repositorypermission (repository_id, user_id) where user_id is not null;
