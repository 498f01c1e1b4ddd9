import {
  changeOrganizationMirror,
  createOrganizationMirror,
  openForOrganizationMirroring,
  removeOrganizationMirror,
  requireOrganizationMirror,
} from "../domain/mirroring/organization_administration.ts";
import {
  cancelOrganizationMirror,
  listDiscovered,
  syncOrganizationNow,
  verifyOrganizationMirror,
} from "../domain/mirroring/organization_steering.ts";
import { statusName } from "../domain/mirroring/model.ts";
import { type OrganizationMirror, REPOSITORY_SYNC_STATUS } from "../domain/mirroring/organization_mirrors.ts";
import type { OrganizationMirrorChange } from "../domain/mirroring/organization_settings.ts";
import { mirrorDate } from "../domain/mirroring/settings.ts";
import type { DiscoveredRow } from "../drivers/database/queries/organization_mirror_repository.ts";
import {
  checkFlags,
  oneOf,
  ORG_MIRROR_FLAGS,
  ORG_MIRROR_NOTES,
  ORG_MIRROR_USAGE,
  organizationChangeFrom,
} from "./org_mirror_flags.ts";
import { OPERATOR, operatorCommand, type Request } from "./operator.ts";
import { type Output, usageError } from "./output.ts";
import { fields, table } from "./table.ts";

const DAY_S = 86_400;
const VERIFY_MS = 60_000;
const PAGE_SIZE = 500;

const operands = ["ORGANIZATION"];

export const orgMirrorCommand = operatorCommand({
  name: "org-mirror",
  summary:
    "organizations that follow a namespace of a Quay or Harbor: show, repositories, create, update, enable, disable, " +
    "sync, cancel, verify, delete",
  notes: ORG_MIRROR_NOTES,
  subcommands: {
    show: {
      operands,
      summary: "what an organization follows, how, and how the last search for repositories ended",
      run: async (request) => shown(await mirrorOf(request, "read")),
    },
    repositories: {
      operands,
      summary: "the repositories that were found, and how each stands",
      run: repositories,
    },
    create: {
      operands,
      flags: ORG_MIRROR_FLAGS,
      usage: `--from URL/NAMESPACE --robot NAMESPACE+NAME [--product quay|harbor] ${ORG_MIRROR_USAGE}`,
      summary: "lets an empty organization follow a namespace of another registry",
      check(request) {
        for (const flag of ["from", "robot"]) {
          if (request.text(flag) === undefined) throw usageError(`--${flag} is missing`);
        }
        oneOf("product", request.text("product"), ["quay", "harbor"]);
        checkFlags(request);
      },
      async run(request) {
        const { deps, text } = request;
        const change = await organizationChangeFrom(request);
        const warnings = await createOrganizationMirror(deps, OPERATOR, await opened(request, "change"), {
          ...change,
          product: text("product") === "harbor" ? "harbor" : "quay",
          registryUrl: change.registryUrl ?? "",
          namespace: change.namespace ?? "",
          robotName: change.robotName ?? "",
          visibility: change.visibility ?? "private",
          intervalS: change.intervalS ?? DAY_S,
          startMs: change.startMs ?? deps.now(),
        });
        return changed(request, "made a mirror of", warnings);
      },
    },
    update: {
      operands,
      flags: ORG_MIRROR_FLAGS,
      usage: `[--from URL/NAMESPACE] [--robot NAMESPACE+NAME] ${ORG_MIRROR_USAGE}`,
      summary: "changes what is named, also of the repositories' mirrors; what runs begins anew with it",
      check(request) {
        if (request.text("product") !== undefined) {
          throw usageError("--product stays as it was made: delete the mirror and create it again");
        }
        checkFlags(request);
      },
      async run(request) {
        const change = await organizationChangeFrom(request);
        if (Object.values(change).every((value) => value === undefined)) {
          throw usageError("say what to change");
        }
        return await applied(request, change, "changed");
      },
    },
    enable: {
      operands,
      summary: "lets it search, and its repositories run, by themselves",
      run: (request) => applied(request, { enabled: true }, "enabled"),
    },
    disable: {
      operands,
      summary: "lets nothing of it run by itself",
      run: (request) => applied(request, { enabled: false }, "disabled"),
    },
    sync: {
      operands,
      summary: "queues a search for repositories, after which all of them run; the appliance has to run",
      async run(request) {
        await syncOrganizationNow(request.deps, OPERATOR, await opened(request, "change"));
        return { json: { queued: true }, text: `queued a run of ${request.operands[0]}\n` };
      },
    },
    cancel: {
      operands,
      summary: "stops the search and all runs; what has come is kept",
      async run(request) {
        await cancelOrganizationMirror(request.deps, OPERATOR, await opened(request, "change"));
        return { json: { cancelled: true }, text: `cancelled the runs of ${request.operands[0]}\n` };
      },
    },
    verify: {
      operands,
      summary: "whether the other registry answers and takes the credentials. Fails when it does not",
      async run(request) {
        const mirror = await mirrorOf(request, "change");
        const found = await verifyOrganizationMirror(request.deps, mirror, AbortSignal.timeout(VERIFY_MS));
        return { json: found, text: `${found.message}\n`, failed: !found.success };
      },
    },
    delete: {
      operands,
      summary: "ends the mirror; its repositories stay, with all that is in them, as normal ones",
      async run(request) {
        await removeOrganizationMirror(request.deps, OPERATOR, await opened(request, "change"));
        return changed(request, "ended the mirror of", []);
      },
    },
  },
});

function opened({ deps, operands: [name = ""] }: Request, how: "read" | "change") {
  return openForOrganizationMirroring(deps, OPERATOR, name, how);
}

async function mirrorOf(request: Request, how: "read" | "change"): Promise<OrganizationMirror> {
  return await requireOrganizationMirror(request.deps, await opened(request, how));
}

async function applied(request: Request, change: OrganizationMirrorChange, done: string): Promise<Output> {
  const organization = await opened(request, "change");
  return changed(request, done, await changeOrganizationMirror(request.deps, OPERATOR, organization, change));
}

function changed({ operands: [name = ""], io }: Request, done: string, warnings: readonly string[]): Output {
  for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
  return { json: { organization: name, warnings }, text: `${done} ${name}\n` };
}

const dateOf = (ms: number | null) => ms === null ? null : mirrorDate(ms);

/** Without credentials: they are never told. */
function shown(mirror: OrganizationMirror): Output {
  const { source } = mirror;
  const json = {
    organization: mirror.organization,
    product: mirror.product,
    from: `${mirror.registryUrl}/${mirror.namespace}`,
    signsIn: source.sealedPassword !== null,
    verifyTls: source.verifyTls,
    robot: mirror.robotName,
    filters: mirror.filters,
    visibility: mirror.visibility,
    enabled: mirror.enabled,
    status: statusName(mirror.status),
    message: mirror.statusMessage,
    everySeconds: mirror.intervalS,
    next: dateOf(mirror.startMs),
  };
  const text = fields([
    ["organization", json.organization],
    ["from", `${json.from} (${json.product})`],
    ["signs in", json.signsIn ? "yes" : "no"],
    ["verify TLS", json.verifyTls ? "yes" : "no"],
    ["robot", json.robot],
    ["repositories", json.filters.join(", ") || "all"],
    ["visibility", json.visibility],
    ["enabled", json.enabled ? "yes" : "no"],
    ["status", json.status],
    ["last search", json.message ?? ""],
    ["every", `${json.everySeconds} s`],
    ["next", json.next ?? ""],
  ]);
  return { json, text };
}

async function repositories(request: Request): Promise<Output> {
  const mirror = await mirrorOf(request, "read");
  const found: DiscoveredRow[] = [];
  for (let page = 1;; page++) {
    const options = { page, limit: PAGE_SIZE, status: undefined };
    const { rows } = await listDiscovered(request.deps, mirror, options);
    found.push(...rows);
    if (rows.length < PAGE_SIZE) break;
  }
  const json = found.map((row) => ({
    name: row.name,
    status: repositoryStatusName(row.status),
    last: dateOf(row.lastSyncMs),
    message: row.statusMessage,
    repository: row.hasRepository ? `${mirror.organization}/${row.name}` : null,
  }));
  const rows = json.map((one) => [one.name, one.status, one.last ?? "", one.message ?? ""]);
  return { json, text: table(["NAME", "STATUS", "LAST", "MESSAGE"], rows) };
}

function repositoryStatusName(status: number): string {
  const [name = "NEVER_RUN"] = Object.entries(REPOSITORY_SYNC_STATUS).find(([, one]) => one === status) ?? [];
  return name;
}
