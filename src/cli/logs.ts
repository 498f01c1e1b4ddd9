import type { Deps } from "../domain/deps.ts";
import { LOG_KINDS, type LogKind } from "../domain/logs/log_kinds.ts";
import {
  DAY_MS,
  listLogs,
  type LogPosition,
  type LogRow,
  metadataOf,
  type OpenLog,
  openNamespaceLog,
  openRepositoryLog,
  openSiteLog,
} from "../domain/logs/logs.ts";
import { parseDuration } from "../config/duration.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { usageError } from "./output.ts";
import { table } from "./table.ts";

const PAGE = 500;
const LIST_LIMIT = 100;

const flags = {
  repo: { type: "string" },
  org: { type: "string" },
  user: { type: "string" },
  kind: { type: "string" },
  since: { type: "string" },
  until: { type: "string" },
} as const;
const FILTERS =
  "[--repo NAMESPACE/NAME | --org NAME] [--user NAME] [--kind KIND] [--since 7d|YYYY-MM-DD] [--until YYYY-MM-DD]";

export const logsCommand = operatorCommand({
  name: "logs",
  summary: "the action log: list, export",
  notes: `  --repo  what was done in a repository
  --org   what was done in the namespace of an organization or user
  --user  what that user or robot did
  --kind  one kind of action, such as push_repo`,
  subcommands: {
    list: {
      operands: [],
      flags: { ...flags, limit: { type: "string" } },
      usage: `${FILTERS} [--limit N]`,
      summary:
        `what was done last, the youngest first; of the last 7 days, at most ${LIST_LIMIT}, unless said`,
      check: (request) => void [filterOf(request, 0), limitOf(request)],
      async run(request) {
        const rows: LogRow[] = [];
        const wanted = limitOf(request);
        for await (const page of pages(request, { limit: wanted, sinceDays: 7 })) rows.push(...page);
        const shown = rows.slice(0, wanted);
        const text = table(
          ["TIME", "KIND", "NAMESPACE", "PERFORMER", "IP", "WHAT"],
          shown.map((row) => [
            new Date(row.atMs).toISOString(),
            row.kind,
            row.accountName ?? "",
            row.performerName ?? "",
            row.ip ?? "",
            JSON.stringify(metadataOf(row)),
          ]),
        );
        return { json: shown.map(rowJson), text };
      },
    },
    export: {
      operands: [],
      flags,
      usage: FILTERS,
      summary: "everything, unless --since: one JSON object a line on stdout",
      check(request) {
        filterOf(request, 0);
        if (request.isSet("json")) {
          throw usageError("an export is JSON anyway, one object a line: leave out --json");
        }
      },
      async run(request) {
        for await (const page of pages(request, { limit: Infinity, sinceDays: undefined })) {
          request.io.stdout(page.map((row) => `${JSON.stringify(rowJson(row))}\n`).join(""));
        }
        return { json: null, text: "" };
      },
    },
  },
});

/** Pages until `limit` rows have been given, or there are no more. */
async function* pages(
  request: Request,
  { limit, sinceDays }: { limit: number; sinceDays: number | undefined },
): AsyncGenerator<LogRow[]> {
  const { deps } = request;
  const nowMs = deps.now();
  const log = await openLog(deps, request);
  const { sinceMs, untilMs, kind, performer } = filterOf(request, nowMs);
  const fromMs = sinceMs ?? (sinceDays === undefined ? 0 : nowMs - sinceDays * DAY_MS);
  const toMs = untilMs ?? nowMs + DAY_MS;
  let after: LogPosition | undefined;
  let given = 0;
  do {
    const page = { fromMs, toMs, kind, performer, after, limit: Math.min(PAGE, limit - given) };
    const { rows, next } = await listLogs(deps, log, page);
    yield rows;
    given += rows.length;
    after = next;
  } while (after !== undefined && given < limit);
}

async function openLog(deps: Deps, request: Request): Promise<OpenLog> {
  const repository = request.text("repo");
  const namespace = request.text("org");
  if (repository !== undefined) return await openRepositoryLog(deps, OPERATOR, repositoryPath(repository));
  return namespace === undefined
    ? openSiteLog(deps, OPERATOR)
    : await openNamespaceLog(deps, OPERATOR, namespace);
}

function repositoryPath(text: string): { namespace: string; name: string } {
  const slash = text.indexOf("/");
  if (slash <= 0 || slash === text.length - 1) throw usageError(`"${text}" is not NAMESPACE/NAME`);
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** @throws {RangeError} */
function filterOf(request: Pick<Request, "text">, nowMs: number) {
  const repository = request.text("repo");
  if (repository !== undefined) {
    repositoryPath(repository);
    if (request.text("org") !== undefined) throw usageError("--repo and --org exclude each other");
  }
  const kind = request.text("kind");
  if (kind !== undefined && !Object.hasOwn(LOG_KINDS, kind)) {
    const near = Object.keys(LOG_KINDS).filter((known) => known.includes(kind));
    throw usageError(
      `there is no kind "${kind}"${near.length === 0 ? "" : `; there is ${near.slice(0, 5).join(", ")}`}`,
    );
  }
  const until = request.text("until");
  const untilMs = until === undefined ? undefined : dayMs("--until", until) + DAY_MS;
  return {
    sinceMs: sinceMs(request.text("since"), nowMs),
    untilMs,
    kind: kind as LogKind | undefined,
    performer: request.text("user"),
  };
}

function sinceMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const span = parseDuration(text);
  return span === undefined ? dayMs("--since", text) : nowMs - span;
}

function dayMs(flag: string, text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  if (Number.isNaN(ms)) throw usageError(`${flag}: "${text}" is no day such as 2026-05-20`);
  return ms;
}

function limitOf(request: Pick<Request, "text">): number {
  const text = request.text("limit");
  if (text === undefined) return LIST_LIMIT;
  if (!/^[1-9]\d{0,5}$/.test(text)) throw usageError("--limit takes a whole number from 1 to 999999");
  return Number(text);
}

function rowJson(row: LogRow) {
  return {
    datetime: new Date(row.atMs).toISOString(),
    kind: row.kind,
    namespace: row.accountName,
    performer: row.performerName,
    ip: row.ip,
    metadata: metadataOf(row),
  };
}
