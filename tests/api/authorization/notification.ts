import { findRepository } from "../../../src/domain/repositories/repositories.ts";
import { notifyUsers } from "../../../src/domain/notifications/notifications.ts";
import { insertRepositoryNotification } from "../../../src/drivers/database/queries/repository_notification.ts";
import type { Resource } from "./rules.ts";
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
      const uuid = await insertRepositoryNotification(sql, {
        repositoryId: repository.id,
        title: null,
        event,
        method,
        config,
        eventConfig,
      });
      world.note(`${namespace}/${name}`, { uuid });
    }
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
