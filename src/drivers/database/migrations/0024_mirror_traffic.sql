-- Bytes that a mirror, or all mirrors of an upstream, took of the link on a day (UTC): what byte budgets are counted by.
create table mirrortraffic (
  subject varchar(300) collate "C" not null,
  day date not null,
  byte_count bigint not null,
  primary key (subject, day)
);
create index mirrortraffic_day on mirrortraffic (day);
