-- What Quay keeps inside texts or not at all, and its 3.18 keeps of tokens made for an application.
alter table oauthaccesstoken add column display_name varchar(255);
alter table oauthaccesstoken add column created timestamp;
alter table oauthaccesstoken add column last_accessed timestamp;
create index oauthaccesstoken_application_id_id on oauthaccesstoken (application_id, id);
create index oauthaccesstoken_authorized_user_id_id on oauthaccesstoken (authorized_user_id, id);

-- A code is good for two minutes, once, for the address that it was sent to.
alter table oauthauthorizationcode add column authorized_user_id integer references "user" (id) on delete cascade;
alter table oauthauthorizationcode add column redirect_uri text;
alter table oauthauthorizationcode add column expires_at timestamp not null default '1970-01-01';
create index oauthauthorizationcode_expires_at on oauthauthorizationcode (expires_at);
create index oauthauthorizationcode_authorized_user_id on oauthauthorizationcode (authorized_user_id);

-- Addresses with a scope and a state are longer than Quay's 255 characters.
alter table oauthassignedtoken alter column redirect_uri type text;

create index appspecificauthtoken_expiration on appspecificauthtoken (expiration);
