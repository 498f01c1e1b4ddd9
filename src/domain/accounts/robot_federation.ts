/**
 * Robots that prove who they are by an identity token of somebody else (Quay: auth.md §8): a pipeline shows the token that
 * its own platform gave it, and gets one of ours for an hour, to be used as the robot's password.
 */
import { decodeJwt, decodeProtectedHeader, errors as joseErrors, jwtVerify, SignJWT } from "jose";
import type { Config } from "../../config/schema.ts";
import {
  type RobotFederationRow,
  selectRobotFederation,
  upsertRobotFederation,
} from "../../drivers/database/queries/robot_federation.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor, Origin } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { verifyIssuedToken } from "../oauth/oidc_issuers.ts";
import { openRobot } from "./robots.ts";
import { findVerificationKey, instanceKey } from "../site/service_keys.ts";

/** Whose tokens a robot accepts: of that issuer, about that subject. */
export interface FederationEntry {
  readonly issuer: string;
  readonly subject: string;
}

/** Lifetime of what an identity token is exchanged for. */
export const FEDERATED_TOKEN_LIFETIME_S = 3600;
const ENTRIES_MAX = 100;
const TEXT_MAX_CHARS = 2048;
const ROBOT_NAME = /^[a-z0-9._-]{2,255}\+[a-z0-9._-]{2,255}$/;

type FederationDeps = Pick<Deps, "sql" | "config" | "now">;
interface RobotPath {
  readonly namespace: string;
  readonly short: string;
}

/** @param actor administrator of the namespace @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated` */
export async function getFederation(
  deps: FederationDeps,
  actor: Actor,
  path: RobotPath,
): Promise<FederationEntry[]> {
  const { robot } = await openRobot(deps, actor, path, "read");
  const row = await selectRobotFederation(deps.sql, robot.username);
  return row === undefined ? [] : entriesOf(row);
}

/**
 * Replaces everything that the robot accepts. What was exchanged under an entry that is gone is void at once.
 * @param actor administrator of the namespace
 * @throws {AppError} `invalid_request`: an issuer that is no http(s) address, an entry twice; and as {@link getFederation}
 */
export async function setFederation(
  deps: FederationDeps,
  actor: Actor,
  path: RobotPath,
  entries: readonly FederationEntry[],
): Promise<void> {
  const { owner, robot } = await openRobot(deps, actor, path, "change");
  checkEntries(entries);
  await deps.sql.begin(async (tx) => {
    await writeEntries(tx, robot.username, entries);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "create_robot_federation",
      namespaceId: owner.id,
      metadata: { config: entries, robot: path.short },
    });
  });
}

/** The robot accepts no more identity tokens. @param actor administrator of the namespace */
export async function removeFederation(deps: FederationDeps, actor: Actor, path: RobotPath): Promise<void> {
  const { owner, robot } = await openRobot(deps, actor, path, "change");
  await deps.sql.begin(async (tx) => {
    await writeEntries(tx, robot.username, undefined);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "delete_robot_federation",
      namespaceId: owner.id,
      metadata: { robot: path.short },
    });
  });
}

/**
 * Exchanges an identity token for one that is the robot's password for an hour. Asks the issuer for its keys.
 * @throws {AppError} `invalid_request` in words; nothing tells a robot that is not there from one that does not accept it
 */
export async function exchangeIdentityToken(
  deps: FederationDeps & Pick<Deps, "authorities">,
  username: string,
  jwt: string,
  origin: Origin | undefined,
): Promise<string> {
  const robot = ROBOT_NAME.test(username) ? await selectRobotFederation(deps.sql, username) : undefined;
  const claims = readClaims(jwt);
  const entry = robot === undefined
    ? undefined
    : entriesOf(robot).find(({ issuer, subject }) => issuer === claims.iss && subject === claims.sub);
  if (robot === undefined || entry === undefined) {
    throw new AppError("invalid_request", "The robot does not accept tokens of this issuer and subject");
  }
  const { sub } = await verifyIssuedToken(deps, entry.issuer, jwt);
  if (sub !== entry.subject) throw new AppError("invalid_request", "The token is about another subject");
  if (!mayBeUsed(deps.config, robot)) throw new AppError("invalid_request", "The robot is disabled");
  const token = await issue(deps, robot, entry);
  const actor: Actor = {
    kind: "robot",
    id: robot.id,
    username,
    ownerId: robot.ownerId,
    ...(origin && { origin }),
  };
  await logAction(deps, actor, {
    kind: "federated_robot_token_exchange",
    namespaceId: robot.ownerId,
    metadata: { subject: entry.subject, issuer: entry.issuer, robot: username },
  });
  return token;
}

/** Whether the token was issued here to that robot, has not ended, and stands on an entry that is still there. */
export async function verifyFederatedToken(
  deps: FederationDeps,
  robot: { readonly id: number; readonly username: string },
  jwt: string,
): Promise<boolean> {
  const { config, now } = deps;
  try {
    const { alg, kid } = decodeProtectedHeader(jwt);
    if (alg !== "RS256" || typeof kid !== "string") return false;
    const key = await findVerificationKey(deps, kid);
    if (key === undefined || key.service !== config.INSTANCE_SERVICE_KEY_SERVICE) return false;
    const { payload } = await jwtVerify(jwt, key.key, {
      algorithms: ["RS256"],
      issuer: key.service,
      audience: audienceOf(config),
      subject: robot.username,
      currentDate: new Date(now()),
      requiredClaims: ["exp", "iat"],
    });
    if (payload.robot_id !== robot.id) return false;
    const { issuer, subject } = (payload.federation ?? {}) as Partial<FederationEntry>;
    const row = await selectRobotFederation(deps.sql, robot.username);
    return row !== undefined &&
      entriesOf(row).some((entry) => entry.issuer === issuer && entry.subject === subject);
  } catch (error) {
    if (error instanceof joseErrors.JOSEError || error instanceof TypeError) return false;
    throw error;
  }
}

function issue(
  deps: FederationDeps,
  robot: RobotFederationRow,
  federation: FederationEntry,
): Promise<string> {
  const { kid, privateKey, service } = instanceKey(deps);
  const nowS = Math.floor(deps.now() / 1000);
  return new SignJWT({ robot_id: robot.id, federation })
    .setProtectedHeader({ typ: "JWT", alg: "RS256", kid })
    .setIssuer(service).setAudience(audienceOf(deps.config)).setSubject(robot.username)
    .setIssuedAt(nowS).setNotBefore(nowS).setExpirationTime(nowS + FEDERATED_TOKEN_LIFETIME_S)
    .sign(privateKey);
}

/** Of its own: a bearer token of `/v2` is no password, and this is no bearer token. */
function audienceOf({ SERVER_HOSTNAME }: Pick<Config, "SERVER_HOSTNAME">): string {
  return `${SERVER_HOSTNAME}/oauth2/federation`;
}

function mayBeUsed({ ROBOTS_DISALLOW, ROBOTS_WHITELIST }: Config, robot: RobotFederationRow): boolean {
  return robot.enabled && robot.ownerEnabled &&
    (!ROBOTS_DISALLOW || ROBOTS_WHITELIST.includes(robot.username));
}

/** Of the token as it says itself: nothing is believed yet. */
function readClaims(jwt: string): { iss?: string; sub?: string } {
  try {
    const { iss, sub } = decodeJwt(jwt);
    return { ...(iss !== undefined && { iss }), ...(sub !== undefined && { sub }) };
  } catch (cause) {
    throw new AppError("invalid_request", "The password is not an identity token (JWT)", {}, { cause });
  }
}

async function writeEntries(
  sql: Sql,
  username: string,
  entries: readonly FederationEntry[] | undefined,
): Promise<void> {
  const row = await selectRobotFederation(sql, username);
  if (row === undefined) throw new AppError("not_found", `There is no robot named ${username}`);
  const { federation_config: _, ...rest } = JSON.parse(row.metadataJson || "{}");
  await upsertRobotFederation(
    sql,
    row.id,
    JSON.stringify(entries === undefined ? rest : { ...rest, federation_config: entries }),
  );
}

function entriesOf({ metadataJson }: RobotFederationRow): FederationEntry[] {
  const { federation_config: entries } = JSON.parse(metadataJson || "{}") as { federation_config?: unknown };
  if (!Array.isArray(entries)) return [];
  return entries.map(({ issuer, subject }) => ({ issuer: String(issuer), subject: String(subject) }));
}

function checkEntries(entries: readonly FederationEntry[]): void {
  if (entries.length > ENTRIES_MAX) {
    throw new AppError("invalid_request", `A robot accepts at most ${ENTRIES_MAX} issuers and subjects`);
  }
  const seen = new Set<string>();
  for (const { issuer, subject } of entries) {
    if (issuer === "" || subject === "") {
      throw new AppError("invalid_request", "Missing one or more required fields (issuer, subject)");
    }
    if (issuer.length > TEXT_MAX_CHARS || subject.length > TEXT_MAX_CHARS) {
      throw new AppError("invalid_request", `Issuer and subject have at most ${TEXT_MAX_CHARS} characters`);
    }
    if (!/^https?:\/\//.test(issuer) || !URL.canParse(issuer)) {
      throw new AppError("invalid_request", "Issuer must be a URL (http:// or https://)");
    }
    const key = JSON.stringify([issuer, subject]);
    if (seen.has(key)) throw new AppError("invalid_request", "Duplicate federation config entry");
    seen.add(key);
  }
}
