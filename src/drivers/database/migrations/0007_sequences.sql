-- The rows above were given ids; the next ones start behind them.
select setval(pg_get_serial_sequence(seeded.name, 'id'), seeded.newest) from (values
  ('loginservice', 8), ('teamrole', 3), ('userpromptkind', 3), ('visibility', 2), ('repositorykind', 2), ('role', 3),
  ('accesstokenkind', 2), ('externalnotificationevent', 11), ('externalnotificationmethod', 6), ('notificationkind', 20),
  ('mediatype', 9), ('tagkind', 1), ('labelsourcetype', 3), ('quotatype', 2), ('logentrykind', 120)
) as seeded (name, newest);
