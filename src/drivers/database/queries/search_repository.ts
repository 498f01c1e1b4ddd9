import { freshlyPlanned, type Sql } from "../postgres.ts";
import { repositoryColumns, type RepositoryRow, repositoryTables } from "./repository.ts";
import { containing } from "./like.ts";
import { endOfPrefix } from "./prefix.ts";

/** Whose eyes a search is for. */
export interface SearchViewer {
  /** Sees every repository. */
  readonly all: boolean;
  /** Null: only what is public. */
  readonly userId: number | null;
}

export interface RepositoryQuery {
  /** The beginning of the namespace's name; empty: any. */
  readonly namespace: string;
  /** A part of the name or of the description; of one or two letters only the beginning of the name. Lower case. */
  readonly word: string;
}

/**
 * Of each way in which a repository can be the viewer's to see, so many matches at most are ranked. More than any page
 * shows: pages end after some hundred results.
 */
const CANDIDATES = 500;
/** A word that no more repositories have is looked up once, and what the viewer sees is chosen from what is found. */
const FEW = 12_000;
const SHORTEST_TRIGRAM = 3;

/**
 * Live repositories that match and that the viewer may see, the best first: the exact name, names that begin so, names
 * that hold it, then descriptions; among equals the more used. Nothing else is looked at after `offset + limit`, and the
 * number of matches that are not the viewer's has no influence on the answer.
 */
export async function searchRepositories(
  sql: Sql,
  viewer: SearchViewer,
  query: RepositoryQuery,
  page: { offset: number; limit: number },
): Promise<RepositoryRow[]> {
  const rare = await isRareWord(sql, query.word);
  return await rankRepositories(sql, viewer, { ...query, rare }, page);
}

/** {@link searchRepositories}, of a word of which it is known whether it is rare. */
export function rankRepositories(
  sql: Sql,
  viewer: SearchViewer,
  query: RepositoryQuery & { readonly rare: boolean },
  page: { offset: number; limit: number },
): Promise<RepositoryRow[]> {
  const { word, rare } = query;
  const like = containing(word);
  const within = query.namespace === "" ? sql`true` : sql`r.namespace_user_id in (
    select id from "user" where username >= ${query.namespace} and username < ${endOfPrefix(query.namespace)}
      and not robot)`;
  const matches = sql`${within} and ${rare ? sql`true` : holdsWord(sql, word)} and r.state <> 3`;
  // Materialized: by the statistics a namespace is small, and would be read whole.
  const repositories = rare ? sql`few` : sql`repository`;
  const few = rare
    ? sql`few as materialized (
      select id, name, namespace_user_id, visibility_id, state from repository r where ${
      holdsWord(sql, word)
    }),`
    : sql``;
  const ofEverybody = viewer.all
    ? sql``
    : sql`and r.visibility_id = (select id from visibility where name = 'public')`;
  const found = sql`r.id, r.name, r.namespace_user_id`;
  // The most used first where nothing else says which to take.
  const mostUsed = word !== "" ? sql`` : sql`
    union (select ${found} from repositorysearchscore s join repository r on r.id = s.repository_id
      where ${matches} ${ofEverybody} order by s.score desc limit ${CANDIDATES})`;
  const own = viewer.all || viewer.userId === null ? sql`` : sql`
    union (select ${found} from ${repositories} r where r.namespace_user_id in (
        select ${viewer.userId}::integer
        union select t.organization_id from teammember m join team t on t.id = m.team_id
          join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin' where m.user_id = ${viewer.userId})
      and ${matches} limit ${CANDIDATES})
    union (select ${found} from ${repositories} r where r.id in (
        select p.repository_id from repositorypermission p where p.user_id = ${viewer.userId}
        union select p.repository_id from repositorypermission p join teammember m on m.team_id = p.team_id
          where m.user_id = ${viewer.userId})
      and ${matches} limit ${CANDIDATES})`;
  // Ranked before anything is joined: of hundreds of candidates a page shows ten.
  const rank = (name: ReturnType<typeof sql>, score: ReturnType<typeof sql>) =>
    sql`${name} = ${word} desc, ${name} >= ${word} and ${name} < ${endOfPrefix(word)} desc,
      ${name} like ${like} desc, ${score} desc`;
  return freshlyPlanned(sql<RepositoryRow[]>`
    with ${few} candidates as (
      (select ${found} from ${repositories} r where ${matches} ${ofEverybody} limit ${CANDIDATES})
      ${mostUsed} ${own}
    ), page as (
      select c.id, coalesce(s.score, 0) as score
      from candidates c join "user" n on n.id = c.namespace_user_id and n.enabled
        left join repositorysearchscore s on s.repository_id = c.id
      order by ${rank(sql`c.name`, sql`coalesce(s.score, 0)`)}, c.id
      offset ${page.offset} limit ${page.limit}
    )
    select ${repositoryColumns(sql)}, r.description, r.badge_token as "badgeToken"
    from page join ${repositoryTables(sql)} on r.id = page.id
    order by ${rank(sql`r.name`, sql`page.score`)}, r.id`);
}

/**
 * Whether so few repositories hold the word, whoever may see them, that all of them are looked at. Those of a common word
 * are found soon wherever one looks.
 */
async function isRareWord(sql: Sql, word: string): Promise<boolean> {
  if (word.length < SHORTEST_TRIGRAM) return false;
  const [row] = await countWithWord(sql, word);
  return (row?.count ?? 0) <= FEW;
}

/** How many repositories hold the word, up to where it stops being rare. */
export function countWithWord(sql: Sql, word: string): Promise<{ count: number }[]> {
  return freshlyPlanned(sql<{ count: number }[]>`
    select count(*)::integer as count from (
      select from repository r where ${holdsWord(sql, word)} limit ${FEW + 1})`);
}

function holdsWord(sql: Sql, word: string) {
  if (word === "") return sql`true`;
  if (word.length < SHORTEST_TRIGRAM) return sql`r.name >= ${word} and r.name < ${endOfPrefix(word)}`;
  const like = containing(word);
  return sql`(r.name like ${like} or r.description ilike ${like})`;
}

/** How many people starred each repository; those without a star are left out. */
export function countStars(
  sql: Sql,
  repositoryIds: readonly number[],
): Promise<{ id: number; stars: number }[]> {
  return sql<{ id: number; stars: number }[]>`
    select repository_id as id, count(*)::integer as stars from star
    where repository_id = any(${repositoryIds as number[]}::integer[]) group by repository_id`;
}
