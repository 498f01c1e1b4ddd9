-- Finds accounts by their address whatever its case: at sign-up, recovery and each change of an address.
create index user_email_lower on "user" (lower(email));
