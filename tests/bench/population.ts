/**
 * Fills a database as a busy registry of some years would have filled it, by statements that make whole tables: a
 * million tags within seconds. Nothing is random: the same sizes give the same rows.
 */
import type { Pool } from "../../src/drivers/database/postgres.ts";

export interface Sizes {
  readonly organizations: number;
  readonly users: number;
  readonly robots: number;
  readonly repositories: number;
  readonly tags: number;
  readonly logs: number;
  /** Over how many days the log rows are spread, up to now. */
  readonly logDays: number;
}

/** What the targets are stated for. */
export const FULL: Sizes = {
  organizations: 2_000,
  users: 5_000,
  robots: 20_000,
  repositories: 100_000,
  tags: 1_000_000,
  logs: 10_000_000,
  logDays: 180,
};

/** A hundredth of it, for the suite. */
export const SMALL: Sizes = {
  organizations: 40,
  users: 200,
  robots: 300,
  repositories: 2_000,
  tags: 20_000,
  logs: 60_000,
  logDays: 180,
};

/** The organization that has most of everything, and its repository with the most tags. */
export const BIG = "big";
export const BIG_REPOSITORY = "service-1";

/** Shares that fall to {@link BIG} and its first repository. */
const REPOSITORIES_OF_BIG = 0.6;
const TAGS_OF_ONE = 0.25;
const ROBOTS_OF_BIG = 0.05;
const LOGS_OF_BIG = 0.3;

/** Indexes of these are made after the rows: in one sweep instead of row by row. */
const LARGE = ["logentry3", "tag", "manifest", "manifestblob", "repositorypermission"];

/**
 * @param sql an otherwise empty, migrated database
 * @param sealedToken what every robot has for a token, as it is stored
 * @param tell of each step
 */
export async function populate(
  sql: Pool,
  sizes: Sizes,
  { sealedToken, tell = () => {} }: { sealedToken: string; tell?: (what: string) => void },
): Promise<void> {
  const connection = await sql.reserve();
  try {
    await connection`set statement_timeout = 0`;
    await connection`set synchronous_commit = off`;
    const indexes = await connection<{ name: string; definition: string }[]>`
      select i.indexname as name, i.indexdef as definition from pg_indexes i
      where i.schemaname = 'public' and i.tablename = any(${LARGE}) and not exists (
        select from pg_constraint c where c.conname = i.indexname)`;
    for (const { name } of indexes) await connection`drop index ${connection(name)}`;
    for (const [what, statement] of statements(sizes, sealedToken)) {
      const started = performance.now();
      await connection.unsafe(statement);
      tell(`${what} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    }
    for (const { name, definition } of indexes) {
      const started = performance.now();
      await connection.unsafe(definition);
      tell(`index ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    }
    await connection`vacuum analyze`;
  } finally {
    connection.release();
  }
}

/** Number of row `g` between 0 and 1, another one for each `salt`: even, and as good as random. */
const even = (g: string, salt: number) =>
  `((hashint8extended(${g}, ${salt}) & 1073741823)::float8 / 1073741824)`;
/** One of `1..n`, small ones far more often than large ones: as things are in practice. */
const skewed = (n: string | number, g: string, salt: number) =>
  `(1 + floor(${n} * power(${even(g, salt)}, 3)))::integer`;
const any = (n: string | number, g: string, salt: number) => `(1 + floor(${n} * ${even(g, salt)}))::integer`;

function* statements(sizes: Sizes, sealedToken: string): Generator<[what: string, statement: string]> {
  const { organizations, users, robots, repositories, tags, logs, logDays } = sizes;
  const ofBig = Math.floor(repositories * REPOSITORIES_OF_BIG);
  const tagsOfOne = Math.floor(tags * TAGS_OF_ONE);
  const manifests = Math.ceil(tags * 0.6);
  const manifestsOfOne = Math.floor(manifests * TAGS_OF_ONE);
  // Each repository with tags has manifests: numbers that have made some.
  const withManifest = `(${manifestsOfOne} + 1 + g % ${manifests - manifestsOfOne})`;
  const account = (name: string, kind: string, g: string) => `
    gen_random_uuid(), ${name}, ${name} || '@example.org', true, ${kind}, 1209600,
    now() at time zone 'utc' - ${even(g, 1)} * interval '900 days'`;
  const accountColumns =
    `(uuid, username, email, verified, organization, robot, removed_tag_expiration_s, creation_date)`;

  // Ids are looked up by their place in these lists: 1 is the big one.
  yield [
    "organizations and users",
    `
    insert into "user" ${accountColumns}
    select ${account(`case g when 1 then '${BIG}' else 'org' || g end`, "true, false", "g")}
    from generate_series(1, ${organizations}) g;
    insert into "user" ${accountColumns}
    select ${account("'user' || g", "false, false", "g")} from generate_series(1, ${users}) g;
    create temp table o as
      select row_number() over (order by id) as n, id, username from "user" where organization and
        (username = '${BIG}' or username ~ '^org[0-9]+$');
    create temp table p as
      select row_number() over (order by id) as n, id, username from "user" where username ~ '^user[0-9]+$';
    create unique index on o (n); create unique index on p (n); analyze o; analyze p`,
  ];

  yield [
    "robots",
    `
    insert into "user" ${accountColumns.replace(")", ", last_accessed)")}
    select gen_random_uuid(), owner || '+robot' || g, 'robot' || g, true, false, true, 1209600, now() at time zone 'utc',
      case when g % 3 > 0 then now() at time zone 'utc' - ${even("g", 4)} * interval '90 days' end
    from (
      select g, case when g <= ${Math.floor(robots * ROBOTS_OF_BIG)} then '${BIG}'
        when g % 4 = 0 then 'user' || ${skewed(users, "g", 2)}
        else 'org' || (1 + ${skewed(organizations - 1, "g", 3)}) end as owner
      from generate_series(1, ${robots}) g) made;
    insert into robotaccounttoken (robot_account_id, token, fully_migrated)
    select id, '${sealedToken}', true from "user" where robot;
    insert into robotaccountmetadata (robot_account_id, description) select id, 'Pulls for ' || username
    from "user" where robot;
    insert into federatedlogin (user_id, service_id, service_ident, metadata_json)
    select id, (select id from loginservice where name = 'quayrobot'), 'robot:' || id, '{}' from "user" where robot`,
  ];

  yield [
    "teams and members",
    `
    insert into team (name, organization_id, role_id)
    select case t when 1 then 'owners' else 'team' || t end, o.id, case t when 1 then 1 when 2 then 2 else 3 end
    from o, generate_series(1, 40) t where t <= case o.n when 1 then 40 else ${any(6, "o.n", 5)} end;
    create temp table t as select row_number() over (order by o.n, t.id) as n, t.id, t.name, o.n as org
      from team t join o on o.id = t.organization_id;
    create unique index on t (n); create index on t (org); analyze t;
    insert into teammember (user_id, team_id)
    select p.id, t.id from t, generate_series(1, 60) m join p on p.n <= 0 or true
    where m <= case t.org when 1 then 60 else 4 end and p.n = ${any(users, "t.n * 97 + m", 6)}
    on conflict do nothing`,
  ];

  yield [
    "repositories",
    `
    insert into repository (namespace_user_id, name, visibility_id, description, kind_id)
    select
      case when g <= ${ofBig} then (select id from o where n = 1)
        when g % 5 = 0 then (select id from p where n = ${skewed(users, "g", 7)})
        else (select id from o where n = 1 + ${skewed(organizations - 1, "g", 8)}) end,
      case g % 4 when 0 then 'platform/' else '' end || 'service-' || g,
      case when ${even("g", 9)} < 0.3 then 1 else 2 end, repeat('What it does. ', g % 6), 1
    from generate_series(1, ${repositories}) g;
    create temp table r as select row_number() over (order by id) as n, id, namespace_user_id as ns from repository;
    create unique index on r (n); create index on r (ns); analyze r;
    insert into repositorypermission (team_id, repository_id, role_id)
    select distinct on (t.id, r.id) t.id, r.id, 2 + k % 2
    from r join o on o.id = r.ns, generate_series(1, 2) k
    join t on true where t.org = o.n and t.n = (select min(n) from t x where x.org = o.n) +
      floor(${even("r.n * 3 + k", 10)} * (select count(*) from t x where x.org = o.n));
    insert into repositorypermission (user_id, repository_id, role_id)
    select p.id, r.id, 3 from r join p on p.n = ${any(users, "r.n", 11)} where r.n % 3 = 0`,
  ];

  yield [
    "manifests",
    `
    insert into manifest (repository_id, digest, media_type_id, manifest_bytes, config_media_type, layers_compressed_size)
    select (select id from r where n = case when g <= ${manifestsOfOne} then 1
        else ${skewed(repositories, "g", 12)} end),
      'sha256:' || encode(sha256(int8send(g)), 'hex'),
      (select id from mediatype where name = 'application/vnd.oci.image.manifest.v1+json'),
      '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:' ||
        encode(sha256(int8send(-g)), 'hex') || '","size":1500},"layers":[]}',
      'application/vnd.oci.image.config.v1+json', 1000000 + g
    from generate_series(1, ${manifests}) g;
    create temp table m as
      select row_number() over (partition by repository_id order by id) as n, id, repository_id,
        count(*) over (partition by repository_id) as of from manifest;
    create unique index on m (repository_id, n); analyze m;
    insert into imagestorage (uuid, image_size, content_checksum)
    select gen_random_uuid()::text, 1000 + g, 'sha256:' || encode(sha256(int8send(-g)), 'hex')
    from generate_series(1, ${Math.ceil(manifests / 2)}) g;
    create temp table b as select row_number() over (order by id) as n, id from imagestorage;
    create unique index on b (n); analyze b;
    insert into manifestblob (repository_id, manifest_id, blob_id)
    select distinct on (m.id, b.id) m.repository_id, m.id, b.id
    from m, generate_series(1, 2) k join b on true where b.n = ${
      any(Math.ceil(manifests / 2), "m.id * 2 + k", 13)
    }`,
  ];

  yield [
    "tags",
    `
    insert into tag (name, repository_id, manifest_id, lifetime_start_ms, lifetime_end_ms, tag_kind_id)
    select case when g % 50 = 0 then 'latest-' else 'v1.' end || g, made.repository_id, m.id,
      made.start_ms, case when g % 5 = 0 then made.start_ms + 86400000 end, 1
    from (
      select g, (select id from r where n = case when g <= ${tagsOfOne} then 1
          else ${skewed(repositories, withManifest, 12)} end) as repository_id,
        (extract(epoch from now()) * 1000)::bigint - (${
      even("g", 14)
    } * 7776000000)::bigint - 86400000 as start_ms
      from generate_series(1, ${tags}) g) made
    join (select repository_id, max(of) as of from m group by 1) c on c.repository_id = made.repository_id
    join m on m.repository_id = made.repository_id and m.n = ${any("c.of", "g", 15)}`,
  ];

  yield [
    "labels",
    `
    with chosen as (select id, repository_id, n from m where n % 20 = 1),
    made as (
      insert into label (uuid, key, value, media_type_id, source_type_id)
      select gen_random_uuid()::text, 'org.example.label' || k, 'value of ' || c.id,
        (select id from mediatype where name = 'text/plain'), 2
      from chosen c, generate_series(1, 5) k returning id, value)
    insert into manifestlabel (repository_id, manifest_id, label_id)
    select c.repository_id, c.id, made.id from made join chosen c on c.id = split_part(made.value, ' ', 3)::integer`,
  ];

  yield [
    "stars, scores, notifications, prototypes",
    `
    insert into star (user_id, repository_id)
    select p.id, r.id from p, generate_series(1, 20) k join r on true
    where r.n = ${skewed(repositories, "p.n * 20 + k", 16)} on conflict do nothing;
    insert into star (user_id, repository_id)
    select (select id from p where n = 1), r.id from r where r.n % 10 = 0 on conflict do nothing;
    insert into repositorysearchscore (repository_id, score)
    select id, (1000 * ${even("n", 17)})::integer from r;
    insert into repositoryactioncount (repository_id, count, date)
    select r.id, (100 * ${even("r.n * 30 + d", 18)})::integer, current_date - d
    from r, generate_series(1, 30) d where r.n <= ${Math.ceil(repositories / 20)};
    insert into repositorynotification (uuid, repository_id, event_id, method_id, title, config_json)
    select gen_random_uuid()::text, r.id, 1, 3, 'hook', '{"url":"https://hooks.example.org/x"}'
    from r, generate_series(1, 30) k where k <= case r.n when 1 then 30 else 1 end and (r.n = 1 or r.n % 5 = 0);
    insert into notification (uuid, kind_id, target_id, metadata_json, created)
    select gen_random_uuid()::text, 17, p.id, '{}', now() at time zone 'utc' - k * interval '1 hour'
    from p, generate_series(1, 2000) k where k <= case p.n when 1 then 2000 else 5 end;
    insert into permissionprototype (org_id, delegate_team_id, role_id)
    select o.id, t.id, 3 from o join t on t.org = o.n where o.n = 1 or o.n % 7 = 0;
    insert into oauthapplication (client_id, organization_id, name)
    select 'client' || o.n || '-' || k, o.id, 'application ' || k from o, generate_series(1, 30) k
    where k <= case o.n when 1 then 30 else 1 end`,
  ];

  yield [
    "log rows",
    `
    insert into logentry3 (kind_id, account_id, performer_id, repository_id, datetime, ip, metadata_json)
    select (array[41, 41, 41, 41, 41, 41, 42, 42, 16, 30, 26, 15, 7, 14, 97])[1 + g % 15], r.ns,
      (select id from p where n = ${skewed(users, "g", 19)}), r.id,
      now() at time zone 'utc' - ${logDays} * ${even("g", 20)} * interval '1 day',
      '10.0.' || g % 256 || '.' || g % 254,
      '{"namespace":"${BIG}","repo":"service-' || r.n || '","tag":"v1.' || g || '","user-agent":"containers/5.30"}'
    from (
      select g, case when ${even("g", 21)} < ${LOGS_OF_BIG} then ${skewed(ofBig, "g", 22)}
        else ${any(repositories, "g", 23)} end as rn
      from generate_series(1::bigint, ${logs}) g) made
    join r on r.n = made.rn`,
  ];
}
