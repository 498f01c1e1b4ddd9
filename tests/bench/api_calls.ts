import type { Tokens } from "./api_data.ts";
import { BIG, BIG_REPOSITORY } from "./population.ts";

export interface ApiCall {
  readonly what: string;
  readonly as: keyof Tokens;
  /** From the root, the same each time, or another one each time. */
  readonly path: string | ((n: number) => string);
}

export interface ListWalk {
  readonly what: string;
  readonly as: keyof Tokens;
  /** With `{page}` where pages have numbers; the others are followed by `next_page`. */
  readonly path: string;
  /** Most that are looked at. */
  readonly pages: number;
}

const V1 = "/api/v1";
const ONE = `${V1}/repository/${BIG}/${BIG_REPOSITORY}`;
const ORG = `${V1}/organization/${BIG}`;
const SU = `${V1}/superuser`;

/** What the console asks when its pages are opened. */
export const API_CALLS: readonly ApiCall[] = [
  { what: "configuration", as: "nobody", path: "/config" },
  { what: "own account with organizations", as: "owner", path: `${V1}/user/` },
  { what: "organization", as: "owner", path: ORG },
  { what: "organization, as a member", as: "member", path: ORG },
  { what: "organization's members", as: "owner", path: `${ORG}/members` },
  { what: "organization's collaborators", as: "owner", path: `${ORG}/collaborators` },
  { what: "organization's robots", as: "owner", path: `${ORG}/robots?permissions=true&token=false` },
  { what: "organization's default permissions", as: "owner", path: `${ORG}/prototypes` },
  { what: "organization's applications", as: "owner", path: `${ORG}/applications` },
  { what: "team's members", as: "owner", path: `${ORG}/team/team5/members` },
  { what: "team's permissions", as: "owner", path: `${ORG}/team/team5/permissions` },
  { what: "robot", as: "owner", path: (n) => `${ORG}/robots/robot${1 + n % 10}` },
  { what: "robot's permissions", as: "owner", path: `${ORG}/robots/robot1/permissions` },
  {
    what: "repositories of a namespace",
    as: "owner",
    path: `${V1}/repository?namespace=${BIG}&last_modified=true&popularity=true`,
  },
  {
    what: "repositories of a namespace, as a member",
    as: "member",
    path: `${V1}/repository?namespace=${BIG}&last_modified=true&popularity=true`,
  },
  { what: "public repositories", as: "nobody", path: `${V1}/repository?public=true&last_modified=true` },
  { what: "starred repositories", as: "owner", path: `${V1}/user/starred` },
  {
    what: "repository with its tags",
    as: "owner",
    path: (n) => `${V1}/repository/${BIG}/service-${1 + 2 * (n % 100)}?includeStats=true`,
  },
  { what: "repository with 250,000 tags", as: "owner", path: `${ONE}?includeStats=true` },
  { what: "tags that live", as: "owner", path: `${ONE}/tag/?limit=100&page=1&onlyActiveTags=true` },
  { what: "tags' history", as: "owner", path: `${ONE}/tag/?limit=100&page=1` },
  { what: "one tag's history", as: "owner", path: (n) => `${ONE}/tag/?specificTag=v1.${n + 1}` },
  {
    what: "tags by a part of their name",
    as: "owner",
    path: (n) => `${ONE}/tag/?filter_tag_name=like:99${n % 10}`,
  },
  { what: "repository's permissions", as: "owner", path: `${ONE}/permissions/user/` },
  { what: "repository's team permissions", as: "owner", path: `${ONE}/permissions/team/` },
  { what: "repository's notifications", as: "owner", path: `${ONE}/notification/` },
  { what: "repository's log", as: "owner", path: `${ONE}/logs` },
  { what: "repository's log, a month counted", as: "owner", path: `${ONE}/aggregatelogs?${days(29)}` },
  { what: "organization's log", as: "owner", path: `${ORG}/logs` },
  { what: "organization's log of one person", as: "owner", path: `${ORG}/logs?performer=user7&${days(29)}` },
  { what: "organization's log, a month counted", as: "owner", path: `${ORG}/aggregatelogs?${days(29)}` },
  { what: "own log", as: "owner", path: `${V1}/user/logs` },
  { what: "registry's log", as: "root", path: `${SU}/logs` },
  { what: "registry's log, a month counted", as: "root", path: `${SU}/aggregatelogs?${days(29)}` },
  { what: "search for everything", as: "owner", path: (n) => `${V1}/find/all?query=service-${n}` },
  { what: "search for everything, a word that all have", as: "owner", path: `${V1}/find/all?query=service` },
  {
    what: "search for repositories",
    as: "owner",
    path: `${V1}/find/repositories?query=service&includeUsage=true`,
  },
  {
    what: "search for repositories, as a stranger",
    as: "nobody",
    path: `${V1}/find/repositories?query=service-1`,
  },
  { what: "search for what is not there", as: "member", path: `${V1}/find/repositories?query=zzzqqq` },
  {
    what: "completion of names",
    as: "owner",
    path: `${V1}/entities/user1?namespace=${BIG}&includeTeams=true`,
  },
  {
    what: "completion of one letter",
    as: "owner",
    path: `${V1}/entities/u?namespace=${BIG}&includeTeams=true`,
  },
  { what: "own notifications", as: "owner", path: `${V1}/user/notifications` },
  { what: "app tokens", as: "owner", path: `${V1}/user/apptoken` },
  { what: "authorizations", as: "owner", path: `${V1}/user/authorizations` },
  { what: "superuser: users, a page", as: "root", path: `${SU}/users/?limit=100` },
  { what: "superuser: organizations, a page", as: "root", path: `${SU}/organizations/?limit=100` },
  { what: "superuser: one user", as: "root", path: (n) => `${SU}/users/user${n + 1}` },
  { what: "superuser: service keys", as: "root", path: `${SU}/keys` },
  { what: "superuser: registry size", as: "root", path: `${SU}/registrysize/` },
  { what: "messages", as: "nobody", path: `${V1}/messages` },
];

/** Lists with many pages. */
export const LISTS: readonly ListWalk[] = [
  {
    what: "repositories of a namespace",
    as: "owner",
    path: `${V1}/repository?namespace=${BIG}&last_modified=true&popularity=true`,
    pages: 1000,
  },
  {
    what: "repositories of a namespace, as a member",
    as: "member",
    path: `${V1}/repository?namespace=${BIG}`,
    pages: 1000,
  },
  { what: "public repositories", as: "nobody", path: `${V1}/repository?public=true`, pages: 1000 },
  { what: "starred repositories", as: "owner", path: `${V1}/user/starred`, pages: 1000 },
  {
    what: "tags that live",
    as: "owner",
    path: `${ONE}/tag/?limit=100&page={page}&onlyActiveTags=true`,
    pages: 1000,
  },
  { what: "tags' history", as: "owner", path: `${ONE}/tag/?limit=100&page={page}`, pages: 1000 },
  { what: "organization's log of a month", as: "owner", path: `${ORG}/logs?${days(29)}`, pages: 1000 },
  { what: "repository's log of half a year", as: "owner", path: `${ONE}/logs?${days(180)}`, pages: 1000 },
  { what: "registry's log of half a year", as: "root", path: `${SU}/logs?${days(180)}`, pages: 1000 },
  {
    what: "own notifications",
    as: "owner",
    path: `${V1}/user/notifications?limit=20&page={page}`,
    pages: 100,
  },
  { what: "superuser: users", as: "root", path: `${SU}/users/?limit=100`, pages: 1000 },
  { what: "superuser: organizations", as: "root", path: `${SU}/organizations/?limit=100`, pages: 1000 },
];

/** Parameters of a log's range: the last `count` days. */
function days(count: number): string {
  const day = (ms: number) => {
    const [year, month, date] = new Date(ms).toISOString().slice(0, 10).split("-");
    return `${month}/${date}/${year}`;
  };
  const nowMs = Date.now();
  return `starttime=${day(nowMs - count * 86_400_000)}&endtime=${day(nowMs)}`;
}
