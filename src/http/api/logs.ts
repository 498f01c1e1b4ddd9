import * as z from "zod";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import type { Deps } from "../../domain/deps.ts";
import {
  aggregateLogs,
  DAY_MS,
  listLogs,
  type LogPosition,
  type LogRange,
  type LogRow,
  metadataOf,
  type OpenLog,
  openOrganizationLog,
  openOwnLog,
  openRepositoryLog,
  openSiteLog,
} from "../../domain/logs/logs.ts";
import { AppError } from "../../lib/errors.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { rfc2822 } from "./fields.ts";
import { pageStart, pageToken } from "./page_token.ts";
import { type ApiRequest, defineRoute, reply, repositoryPath, type Route } from "./route.ts";

const PAGE_SIZE = 20;

const logSchema = z.object({
  kind: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  ip: z.string().nullable(),
  datetime: z.string(),
  performer: z.object({
    kind: z.literal("user"),
    name: z.string(),
    is_robot: z.boolean(),
    avatar: avatarSchema,
  }).optional(),
  namespace: z.object({ kind: z.enum(["user", "org"]), name: z.string(), avatar: avatarSchema }).optional(),
});
const listSchema = z.object({
  start_time: z.string(),
  end_time: z.string(),
  logs: z.array(logSchema),
  next_page: z.string().optional(),
});
const aggregateSchema = z.object({
  aggregated: z.array(z.object({ kind: z.string(), count: z.int(), datetime: z.string() })),
});

export const rangeParams = {
  starttime: z.string().optional().meta({ description: "First day, MM/DD/YYYY in UTC; else yesterday." }),
  endtime: z.string().optional().meta({ description: "Last day, MM/DD/YYYY in UTC; else today." }),
};
const performer = z.string().optional().meta({ description: "Only what this user or robot did." });
const next_page = z.string().optional();
const repositoryList = z.object({ ...rangeParams, next_page });
const list = z.object({ ...rangeParams, performer, next_page });
const aggregate = z.object({ ...rangeParams, performer });

export const logRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/logs",
    operationId: "listRepoLogs",
    summary: "What was done in a repository.",
    scope: "repo:admin",
    query: repositoryList,
    responses: { 200: listSchema },
    handle: async (request) => await listReply(request, await ofRepository(request)),
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/aggregatelogs",
    operationId: "getAggregateRepoLogs",
    summary: "How often it was done, by day and kind.",
    scope: "repo:admin",
    query: z.object(rangeParams),
    responses: { 200: aggregateSchema },
    handle: (request) => aggregateReply(request, () => ofRepository(request)),
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/logs",
    operationId: "listOrgLogs",
    summary: "What was done in an organization.",
    scope: "org:admin",
    query: list,
    responses: { 200: listSchema },
    handle: async (request) => await listReply(request, await ofOrganization(request)),
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/aggregatelogs",
    operationId: "getAggregateOrgLogs",
    summary: "How often it was done, by day and kind.",
    scope: "org:admin",
    query: aggregate,
    responses: { 200: aggregateSchema },
    handle: (request) => aggregateReply(request, () => ofOrganization(request)),
  }),
  defineRoute({
    method: "GET",
    path: "/user/logs",
    operationId: "listUserLogs",
    summary: "What was done in one's own namespace.",
    scope: "user:admin",
    query: list,
    responses: { 200: listSchema },
    handle: async (request) => await listReply(request, openOwnLog(request.actor)),
  }),
  defineRoute({
    method: "GET",
    path: "/user/aggregatelogs",
    operationId: "getAggregateUserLogs",
    summary: "How often it was done, by day and kind.",
    scope: "user:admin",
    query: aggregate,
    responses: { 200: aggregateSchema },
    handle: (request) => aggregateReply(request, () => openOwnLog(request.actor)),
  }),
  defineRoute({
    method: "GET",
    path: "/superuser/logs",
    operationId: "listAllLogs",
    summary: "What was done anywhere.",
    scope: "super:user",
    query: list,
    responses: { 200: listSchema },
    freshLogin: true,
    handle: async (request) => await listReply(request, ofSite(request)),
  }),
  defineRoute({
    method: "GET",
    path: "/superuser/aggregatelogs",
    operationId: "listAllAggregateLogs",
    summary: "How often it was done, by day and kind.",
    scope: "super:user",
    query: aggregate,
    responses: { 200: aggregateSchema },
    freshLogin: true,
    handle: (request) => aggregateReply(request, () => ofSite(request)),
  }),
];

function ofRepository({ deps, actor, params }: ApiRequest<"repository", unknown, unknown>): Promise<OpenLog> {
  return openRepositoryLog(deps, actor, repositoryPath(params.repository));
}

function ofOrganization({ deps, actor, params }: ApiRequest<"orgname", unknown, unknown>): Promise<OpenLog> {
  return openOrganizationLog(deps, actor, params.orgname);
}

function ofSite({ deps, actor }: Pick<ApiRequest, "deps" | "actor">): OpenLog {
  if (!deps.config.FEATURE_SUPER_USERS) throw new AppError("feature_disabled", "Not Found");
  return openSiteLog(deps, actor);
}

interface RangeQuery {
  readonly starttime?: string | undefined;
  readonly endtime?: string | undefined;
  readonly performer?: string | undefined;
}

async function listReply(
  { deps, query }: { deps: Deps; query: RangeQuery & { next_page?: string | undefined } },
  log: OpenLog,
) {
  const range = readRange(deps, query);
  const { page, after } = readPosition(pageStart(deps, query.next_page));
  const { rows, next } = await listLogs(deps, log, {
    ...range,
    performer: query.performer,
    after,
    limit: PAGE_SIZE,
  });
  const lastPage = deps.config.ACTION_LOG_MAX_PAGE;
  const more = next !== undefined && (lastPage === null || page < lastPage);
  return reply({
    start_time: rfc2822(range.fromMs),
    end_time: rfc2822(range.toMs),
    logs: rows.map((row) => logView(row, log.namespaceId === undefined)),
    ...pageToken(deps, more ? JSON.stringify({ page: page + 1, after: next }) : undefined),
  });
}

async function aggregateReply(
  { deps, query }: { deps: Deps; query: RangeQuery },
  open: () => OpenLog | Promise<OpenLog>,
) {
  if (!deps.config.FEATURE_AGGREGATED_LOG_COUNT_RETRIEVAL) {
    throw new AppError("feature_disabled", "Not Found");
  }
  const log = await open();
  const counts = await aggregateLogs(deps, log, { ...readRange(deps, query), performer: query.performer });
  return reply({
    aggregated: counts.map(({ kind, count, dayMs }) => ({ kind, count, datetime: rfc2822(dayMs) })),
  });
}

/**
 * A day that is none counts as absent, as in Quay; the end is the end of its day.
 * @throws {AppError} `invalid_request` when it is before the start
 */
export function readRange({ now }: Pick<Deps, "now">, { starttime, endtime }: RangeQuery): LogRange {
  const nowMs = now();
  const fromMs = readDay(starttime) ?? nowMs - DAY_MS;
  const toMs = (readDay(endtime) ?? nowMs) + DAY_MS;
  if (toMs < fromMs) throw new AppError("invalid_request", "endtime must not be before starttime");
  return { fromMs, toMs };
}

function readDay(text: string | undefined): number | undefined {
  const [, month, day, year] = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(text ?? "") ?? [];
  if (year === undefined) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  return date.getUTCMonth() + 1 === Number(month) && Number(year) > 0 ? date.getTime() : undefined;
}

/** A token of another list leads to the first page. */
function readPosition(text: string): { page: number; after: LogPosition | undefined } {
  const first = { page: 1, after: undefined };
  if (!text.startsWith("{")) return first;
  try {
    return positionSchema.parse(JSON.parse(text));
  } catch {
    return first;
  }
}

const positionSchema = z.object({
  page: z.int(),
  after: z.object({ table: z.int().min(0), at: z.string(), id: z.int() }),
});

export function logView(row: LogRow, withNamespace: boolean): z.infer<typeof logSchema> {
  const { accountName, accountEmail, performerName, performerEmail, performerIsRobot: robot } = row;
  const organization = row.accountIsOrganization === true;
  return {
    kind: row.kind,
    metadata: metadataOf(row),
    ip: row.ip,
    datetime: rfc2822(row.atMs),
    ...(performerName === null ? {} : {
      performer: {
        kind: "user",
        name: performerName,
        is_robot: robot === true,
        avatar: avatar(robot ? "robot" : "user", performerName, emailOf(performerEmail)),
      },
    }),
    ...(!withNamespace || accountName === null ? {} : {
      namespace: {
        kind: organization ? "org" : "user",
        name: accountName,
        avatar: avatar(organization ? "org" : "user", accountName, emailOf(accountEmail)),
      },
    }),
  };
}

function emailOf(email: string | null): string {
  return visibleEmail({ email: email ?? "" });
}
