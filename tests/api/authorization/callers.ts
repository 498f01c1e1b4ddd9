import { type Scope, SCOPES } from "../../../src/domain/access/access.ts";
import { sealSession, startSession, startUserSession } from "../../../src/domain/accounts/sessions.ts";
import type { PersonName, World } from "./world.ts";

/** Somebody who calls, and how. */
export interface Caller {
  readonly name: string;
  /** Absent: not signed in. */
  readonly person?: PersonName;
  /** Absent: by a browser's session. */
  readonly scopes?: readonly Scope[];
  /** A browser that has no CSRF token to show. */
  readonly noCsrf?: true;
  /** The password was typed longer ago than `FRESH_LOGIN_TIMEOUT`. */
  readonly stale?: true;
  /** Basic authentication as that robot, which the API does not know. */
  readonly robot?: string;
}

const PERSONS: readonly [name: string, person: PersonName][] = [
  ["outsider", "oscar"],
  ["reader", "rita"],
  ["writer", "will"],
  ["repository admin", "ada"],
  ["member", "mia"],
  ["creator", "carl"],
  ["organization admin", "alice"],
  ["restricted user", "rex"],
  ["read-only superuser", "greta"],
  ["superuser", "root"],
];

export const CALLERS: readonly Caller[] = [
  { name: "anonymous" },
  { name: "robot", robot: "acme+ci", noCsrf: true },
  ...PERSONS.map(([name, person]) => ({ name, person })),
  { name: "anonymous without CSRF token", noCsrf: true },
  { name: "organization admin without CSRF token", person: "alice", noCsrf: true },
  { name: "superuser without CSRF token", person: "root", noCsrf: true },
  { name: "organization admin, stale", person: "alice", stale: true },
  { name: "superuser, stale", person: "root", stale: true },
  ...SCOPES.map((scope) => ({
    name: `organization admin's ${scope}`,
    person: "alice" as const,
    scopes: [scope],
  })),
  ...SCOPES.map((scope) => ({ name: `superuser's ${scope}`, person: "root" as const, scopes: [scope] })),
  ...SCOPES.map((scope) => ({
    name: `read-only superuser's ${scope}`,
    person: "greta" as const,
    scopes: [scope],
  })),
];

/** Headers of a request of the caller, made anew for each: what one answer sets the next request does not see. */
export async function credentialsOf(
  world: World,
  caller: Caller,
): Promise<() => Record<string, string>> {
  const { config } = world.deps;
  if (caller.robot !== undefined) {
    const header = `Basic ${btoa(`${caller.robot}:whatever`)}`;
    return () => ({ Authorization: header });
  }
  if (caller.scopes !== undefined && caller.person !== undefined) {
    const token = await world.token(caller.person, caller.scopes);
    return () => ({ Authorization: `Bearer ${token}` });
  }
  return () => {
    const nowMs = world.deps.now();
    const session = caller.person === undefined
      ? startSession(nowMs)
      : startUserSession(world.user(caller.person).uuid, nowMs - (caller.stale ? 3_600_000 : 0));
    // Older than FRESH_LOGIN_TIMEOUT, and still alive: in use since.
    const cookie = `_csrf_token=${sealSession(config, { ...session, issuedMs: nowMs })}`;
    return caller.noCsrf ? { Cookie: cookie } : { Cookie: cookie, "X-CSRF-Token": session.csrfToken };
  };
}
