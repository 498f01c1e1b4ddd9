import { findRepository } from "../../../src/domain/repositories/repositories.ts";
import { insertImmutabilityPolicy } from "../../../src/drivers/database/queries/immutability_policy.ts";
import type { Resource, RouteRule, TargetKind } from "./rules.ts";
import { existing, PEOPLE } from "./world.ts";

const POLICY = JSON.stringify({ tag_pattern: "^v", tag_pattern_matches: true });

/** @param readers who may look, besides those who may change */
function policiesOf(prefix: string, who: string, readers: string, on: TargetKind): Record<string, RouteRule> {
  const rule = { who, on, features: ["FEATURE_IMMUTABLE_TAGS"] };
  const all = `${prefix}/immutabilitypolicy/`;
  const one = `${all}{policy_uuid}`;
  const reading = { ...rule, who: `${who} ${readers}`.trim(), ok: 200 };
  return {
    [`GET ${all}`]: reading,
    [`POST ${all}`]: { ...rule, ok: 201, body: { tagPattern: "new" } },
    [`GET ${one}`]: { ...reading, absent: 404 },
    [`PUT ${one}`]: { ...rule, ok: 204, absent: 404, body: { tagPattern: "new" } },
    [`DELETE ${one}`]: { ...rule, ok: 200, absent: 404 },
  };
}

export const immutabilityPolicies: Resource = {
  routes: {
    ...policiesOf("/organization/{orgname}", "A SUF", "GRO", "organization"),
    ...policiesOf("/repository/{repository}", "R:admin", "GRO", "repository"),
    ...policiesOf("/user", "U:adm", "", "registry"),
  },
  async prepare(world) {
    const { sql } = world.deps;
    for (const { namespace } of existing("organization")) {
      const [row] = await sql<{ id: number }[]>`select id from "user" where username = ${namespace}`;
      world.note(namespace, {
        policy_uuid: await insertImmutabilityPolicy(sql, { namespaceId: row!.id }, POLICY),
      });
    }
    for (const name of Object.keys(PEOPLE)) {
      const owner = { namespaceId: world.user(name).id };
      world.note(name, { policy_uuid: await insertImmutabilityPolicy(sql, owner, POLICY) });
    }
    for (const { namespace, repository: name } of existing("repository")) {
      const repository = await findRepository(sql, namespace, name ?? "");
      if (repository === undefined) throw new Error(`${namespace}/${name} is not there`);
      const owner = { namespaceId: repository.namespaceId, repositoryId: repository.id };
      world.note(`${namespace}/${name}`, { policy_uuid: await insertImmutabilityPolicy(sql, owner, POLICY) });
    }
  },
};
