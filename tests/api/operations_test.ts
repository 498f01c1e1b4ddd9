/**
 * Every operation of the OpenAPI document, over HTTP, of an appliance that runs (the built binary where `QUAYLET_BIN` names
 * one): a valid call, whose answer has a status that the document names and holds what its schema says, nothing else.
 */
import { expect } from "@std/testing";
import type * as z from "zod";
import { API_ROUTES } from "../../src/http/api/api.ts";
import { EMBEDDED_USER } from "../../src/drivers/database/postgres.ts";
import type { Route } from "../../src/http/api/route.ts";
import { startAppliance } from "../appliance.ts";
import { withDatabase } from "../database.ts";
import { withTcp } from "../database/tcp.ts";
import { withSmtpServer } from "../mail/smtp_server.ts";
import { FEATURES, requestOf, ROUTES, type Row, rowsOf, VARIANTS } from "./authorization/rows.ts";
import { switched } from "./authorization/variants.ts";
import { withWorld } from "./authorization/with_world.ts";
import { CONFIG } from "./authorization/world.ts";

/** Who is asked for, where several may: whoever may most comes last, so that it is not always the superuser. */
const CALLERS = ["organization admin", "superuser", "anonymous", "reader", "member", "outsider"];

/** What another operation, by its other path or name, has already done to the same thing: asked in another copy of the world. */
const AGAIN = [
  "createOrganizationQuotaSuperUser",
  "deleteOrganizationQuotaSuperUser",
  "deleteOrganization",
  "deleteCurrentUser",
  "logout",
];

/** What succeeds in a state that the world is not in: the tests that make it, or why there is none. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  acceptOrganizationTeamInvite: "tests/accounts/teams_test.ts",
  cancelOrgMirrorSync: "tests/org_mirror/rest_test.ts",
  convertUserToOrganization: "tests/api/manual_examples_test.ts",
  createFirstUser: "tests/api/manual_examples_test.ts",
  createNewUser: "tests/api/manual_examples_test.ts",
  createOrganizationQuota: "tests/api/manual_examples_test.ts",
  createOrgMirrorConfig: "tests/org_mirror/rest_test.ts",
  createRepoMirrorConfig: "tests/mirror/rest_test.ts",
  createProxyCacheConfig: "tests/api/proxy_cache_test.ts",
  listRepoTokens: "tests/api/proxy_cache_test.ts: they are gone",
  createToken: "tests/api/proxy_cache_test.ts: they are gone",
  getTokens: "tests/api/proxy_cache_test.ts: they are gone",
  changeToken: "tests/api/proxy_cache_test.ts: they are gone",
  validateProxyCacheConfig: "tests/api/proxy_cache_test.ts",
  deleteToken: "tests/api/proxy_cache_test.ts: they are gone",
  declineOrganizationTeamInvite: "tests/accounts/teams_test.ts",
  deleteOrgMirrorConfig: "tests/org_mirror/rest_test.ts",
  disableOrganizationTeamSync: "tests/accounts/teams_test.ts",
  enableOrganizationTeamSync: "tests/accounts/teams_test.ts",
  generateUserClientKey: "tests/api/manual_examples_test.ts",
  getOrgMirrorConfig: "tests/org_mirror/rest_test.ts",
  getRepoBuildLogsSuperUser: "there are no builds",
  getRepoBuildStatusSuperUser: "there are no builds",
  getRepoBuildSuperUser: "there are no builds",
  getUserQuota: "tests/api/manual_examples_test.ts",
  getUserQuotaLimit: "tests/api/manual_examples_test.ts",
  linkExternalUser: "there is no directory of users outside",
  listAllAppTokens: "tests/superuser/site_test.ts: superusers need full access",
  listOrgMirrorRepositories: "tests/org_mirror/rest_test.ts",
  listUserQuotaLimit: "tests/api/manual_examples_test.ts",
  previewRepoMirror: "tests/mirror/rest_test.ts",
  retrieveExternalLoginAuthorizationUrl: "there is no sign-in elsewhere",
  signinUser: "tests/api/manual_examples_test.ts",
  syncOrgMirrorNow: "tests/org_mirror/rest_test.ts",
  updateOrgMirrorConfig: "tests/org_mirror/rest_test.ts",
  verifyOrgMirrorConnection: "tests/org_mirror/rest_test.ts",
  verifyRepoMirror: "tests/mirror/rest_test.ts",
  verifyUser: "tests/api/manual_examples_test.ts",
};

Deno.test("every operationId of openapi.json: a valid call is answered as the document says", async () => {
  const wrong: string[] = [];
  const called: string[] = [];
  await withWorld(async ({ world, template, credentials }) => {
    const rows = validRows();
    for (const round of Map.groupBy(rows, roundOf).values()) {
      await withServers(template, async (services) => {
        await using appliance = await startAppliance({
          config: { ...CONFIG, ...switched(FEATURES, true), ...services },
        });
        const document = await (await fetch(`${appliance.httpUrl}/api/v1/openapi.json`)).json();
        for (const row of round) {
          const route = routeOf(row);
          const { method, path, body } = requestOf(world, row);
          const response = await fetch(`${appliance.httpUrl}${path}`, {
            method,
            headers: credentials.get(row.caller.name)!(),
            body: body ?? null,
            redirect: "manual",
          });
          const text = await response.text();
          const tell = (what: string) => wrong.push(`${route.operationId}, ${method} ${path}: ${what}`);
          called.push(route.operationId);
          const described = document.paths[`/api/v1${route.path}`]?.[method.toLowerCase()];
          if (described?.operationId !== route.operationId) tell("not in the document");
          if (response.status !== row.expected) tell(`${response.status} ${text.slice(0, 200)}`);
          else if (described?.responses[response.status] === undefined) {
            tell(`undocumented ${response.status}`);
          } else if (response.headers.get("Content-Type")?.startsWith("text/html")) continue;
          else tellDifference(route.responses[response.status] ?? null, text, tell);
        }
      });
    }
  });
  expect(wrong).toEqual([]);
  const missed = API_ROUTES.map(({ operationId }) => operationId).filter((id) => !called.includes(id));
  expect(missed.sort()).toEqual(Object.keys(ELSEWHERE).sort());
});

function routeOf({ route: { method, path } }: Row): Route {
  return API_ROUTES.find((route) => route.method === method && route.path === path)!;
}

/** Each in a copy of the world: what one makes or ends is not what the next needs. */
function roundOf(row: Row): string {
  if (AGAIN.includes(routeOf(row).operationId)) return "again";
  return row.route.method === "GET" ? "PUT" : row.route.method;
}

/** A copy of the world's database and a mail server, as configuration that leads to them. */
function withServers(
  template: string,
  work: (services: Record<string, unknown>) => Promise<void>,
): Promise<void> {
  return withDatabase(
    (_, database) =>
      withTcp((port) =>
        withSmtpServer({ disabledCommands: ["STARTTLS"] }, (mailPort) =>
          work({
            DB_URI: `postgresql://${EMBEDDED_USER}@127.0.0.1:${port}/${database}`,
            MAIL_SERVER: "127.0.0.1",
            MAIL_PORT: mailPort,
            MAIL_USE_TLS: false,
            MAIL_DEFAULT_SENDER: "registry@example.org",
            // Nobody is there: nothing has been scanned.
            SECURITY_SCANNER_V4_ENDPOINT: "http://127.0.0.1:1",
          }))
      ),
    template,
  );
}

/** One row for each route; first what changes nothing, and what ends something after all that needs it. */
function validRows(): Row[] {
  const rows = rowsOf(VARIANTS.find(({ name }) => name === "ordinary")!);
  return ROUTES.flatMap((route) => {
    const fitting = rows.filter((row) =>
      row.route === route && !row.absent && row.expected < 300 && CALLERS.includes(row.caller.name)
    );
    return fitting.sort((a, b) => CALLERS.indexOf(a.caller.name) - CALLERS.indexOf(b.caller.name)).slice(
      0,
      1,
    );
  }).sort((a, b) => rank(a) - rank(b));
}

/** Reading before changing; what is in something before that; accounts and sessions at the very end. */
function rank(row: Row): number {
  const { method, path } = row.route;
  const again = AGAIN.indexOf(routeOf(row).operationId);
  if (again >= 0) return again;
  if (method !== "DELETE") return method === "GET" ? 0 : 1;
  return -2 * path.split("/").length - (path.includes("{repository}") ? 1 : 0);
}

/** Parsing drops what the schema does not name. */
function tellDifference(schema: z.ZodType | null, text: string, tell: (what: string) => void): void {
  if (schema === null) {
    if (text !== "") tell(`a body that the document does not name: ${text.slice(0, 200)}`);
    return;
  }
  const answer = JSON.parse(text);
  const parsed = schema.safeParse(answer);
  if (!parsed.success) return tell(`${parsed.error.message.slice(0, 300)} in ${text.slice(0, 300)}`);
  try {
    expect(parsed.data).toEqual(answer);
  } catch {
    tell(`more than the document names: ${text.slice(0, 300)}`);
  }
}
