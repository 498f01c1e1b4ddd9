import { findRepository } from "../../../src/domain/repositories/repositories.ts";
import { insertPolicy, type PolicyOwner } from "../../../src/drivers/database/queries/autoprune_policy.ts";
import type { Resource, RouteRule, TargetKind } from "./rules.ts";
import { existing, PEOPLE } from "./world.ts";

const POLICY = JSON.stringify({ method: "number_of_tags", value: 10 });

/** @param readers who may look, besides those who may change */
function policiesOf(prefix: string, who: string, readers: string, on: TargetKind): Record<string, RouteRule> {
  const rule = { who, on, features: ["FEATURE_AUTO_PRUNE"] };
  const all = `${prefix}/autoprunepolicy/`;
  const one = `${all}{policy_uuid}`;
  const named = { with: { policy_uuid: "{autoprune_uuid}" }, absent: 404 };
  const body = { method: "number_of_tags", value: 5 };
  const reading = { ...rule, who: `${who} ${readers}`.trim(), ok: 200 };
  return {
    [`GET ${all}`]: reading,
    [`POST ${all}`]: { ...rule, ok: 201, body },
    [`GET ${one}`]: { ...reading, ...named },
    [`PUT ${one}`]: { ...rule, ...named, ok: 204, body },
    [`DELETE ${one}`]: { ...rule, ...named, ok: 200 },
  };
}

export const autoprunePolicies: Resource = {
  routes: {
    ...policiesOf("/organization/{orgname}", "A SUF", "GRO", "organization"),
    ...policiesOf("/repository/{repository}", "R:admin", "GRO", "repository"),
    ...policiesOf("/user", "U:adm", "", "registry"),
  },
  async prepare(world) {
    const { sql } = world.deps;
    const note = async (target: string, owner: PolicyOwner) =>
      world.note(target, { autoprune_uuid: await insertPolicy(sql, owner, POLICY) });
    for (const { namespace } of existing("organization")) {
      const [row] = await sql<{ id: number }[]>`select id from "user" where username = ${namespace}`;
      await note(namespace, { kind: "namespace", namespaceId: row!.id });
    }
    for (const name of Object.keys(PEOPLE)) {
      await note(name, { kind: "namespace", namespaceId: world.user(name).id });
    }
    for (const { namespace, repository: name } of existing("repository")) {
      const repository = await findRepository(sql, namespace, name ?? "");
      if (repository === undefined) throw new Error(`${namespace}/${name} is not there`);
      const { id: repositoryId, namespaceId } = repository;
      await note(`${namespace}/${name}`, { kind: "repository", repositoryId, namespaceId });
    }
  },
};
