import { findRepository } from "../../../src/domain/repositories/repositories.ts";
import { notifyUsers } from "../../../src/domain/notifications/notifications.ts";
import { insertNotification } from "../../../src/drivers/database/queries/notification.ts";
import { findNamespace } from "../../../src/domain/organizations/organizations.ts";
import type { Resource, RouteRule, TargetKind } from "./rules.ts";
import { existing, PEOPLE } from "./world.ts";

const ONE = "/repository/{repository}/notification/{uuid}";
const wish = {
  event: "repo_push",
  method: "quay_notification",
  config: { target: { kind: "user", name: "zoe" } },
  eventConfig: {},
};

export const repositoryNotifications: Resource = {
  routes: {
    "GET /repository/{repository}/notification/": { who: "R:admin", ok: 200 },
    "POST /repository/{repository}/notification/": { who: "R:admin", ok: 201, body: wish },
    [`GET ${ONE}`]: { who: "R:admin", ok: 200, absent: 404 },
    [`POST ${ONE}`]: { who: "R:admin", ok: 204, absent: 400 },
    [`DELETE ${ONE}`]: { who: "R:admin", ok: 204, absent: 400 },
    [`POST ${ONE}/test`]: { who: "R:admin", ok: 200, absent: 400 },
  },
  async prepare(world) {
    const { sql } = world.deps;
    for (const { namespace, repository: name } of existing("repository")) {
      const repository = await findRepository(sql, namespace, name ?? "");
      if (repository === undefined) throw new Error(`${namespace}/${name} is not there`);
      const { event, method, config, eventConfig } = wish;
      const place = { kind: "repository", repositoryId: repository.id } as const;
      const uuid = await insertNotification(sql, place, { title: null, event, method, config, eventConfig });
      world.note(`${namespace}/${name}`, { uuid });
    }
  },
};

const QUOTA = { features: ["FEATURE_QUOTA_NOTIFICATIONS"] };
const quotaWish = { ...wish, event: "quota_warning" };
const named = { ...QUOTA, with: { uuid: "{namespace_notification}" }, absent: 404 };

/** @param readers who may look, besides those who may change */
function ofNamespaces(path: string, who: string, readers: string, on: TargetKind): Record<string, RouteRule> {
  const reading = `${who} ${readers}`.trim();
  return {
    [`GET ${path}`]: { ...QUOTA, on, who: reading, ok: 200 },
    [`POST ${path}`]: { ...QUOTA, on, who, ok: 201, body: quotaWish },
    [`GET ${path}/{uuid}`]: { ...named, on, who: reading, ok: 200 },
    [`POST ${path}/{uuid}`]: { ...named, on, who, ok: 204 },
    [`DELETE ${path}/{uuid}`]: { ...named, on, who, ok: 204 },
    [`POST ${path}/{uuid}/test`]: { ...named, on, who, ok: 200, absent: 404 },
  };
}

export const namespaceNotifications: Resource = {
  routes: {
    ...ofNamespaces("/organization/{orgname}/notifications", "A SUF", "GRO", "organization"),
    ...ofNamespaces("/user/namespacenotifications", "U:adm", "", "registry"),
  },
  async prepare(world) {
    const { sql } = world.deps;
    const { event, method, config, eventConfig } = quotaWish;
    const note = async (name: string, namespaceId: number) => {
      const place = { kind: "namespace", namespaceId } as const;
      const uuid = await insertNotification(sql, place, { title: null, event, method, config, eventConfig });
      world.note(name, { namespace_notification: uuid });
    };
    for (const { namespace } of existing("organization")) {
      await note(namespace, (await findNamespace(world.deps, namespace)).id);
    }
    for (const name of Object.keys(PEOPLE)) await note(name, world.user(name).id);
  },
};

export const userNotifications: Resource = {
  routes: {
    "GET /user/notifications": { who: "U:read", ok: 200 },
    "GET /user/notifications/{uuid}": { who: "U:read", ok: 200, absent: 404 },
    "PUT /user/notifications/{uuid}": { who: "U:adm", ok: 200, absent: 404, body: { dismissed: true } },
  },
  async prepare(world) {
    for (const name of Object.keys(PEOPLE)) {
      const { id } = world.user(name);
      await notifyUsers(world.deps, { kind: "password_required", targetIds: [id], metadata: {} });
      const [row] = await world.deps.sql<{ uuid: string }[]>`
        select uuid from notification where target_id = ${id}`;
      world.note(name, { uuid: row!.uuid });
    }
  },
};
