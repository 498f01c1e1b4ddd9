import * as z from "zod";
import type { NamedPolicyOwner } from "../../domain/content/immutability_application.ts";
import {
  changeImmutabilityPolicy,
  createImmutabilityPolicy,
  findImmutabilityPolicy,
  listImmutabilityPolicies,
  removeImmutabilityPolicy,
  requireImmutableTags,
} from "../../domain/content/immutability_policies.ts";
import { isGlobalReadonlySuperuser } from "../../domain/access/access.ts";
import { openGovernedNamespace } from "../../domain/organizations/organizations.ts";
import { openRepository } from "../../domain/repositories/repositories.ts";
import { requirePerson } from "../../domain/access/rights.ts";
import { type ApiRequest, defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";

const policySchema = z.object({
  uuid: z.string(),
  tagPattern: z.string(),
  tagPatternMatches: z.boolean(),
});

const bodySchema = z.object({
  tagPattern: z.string().transform((pattern) => pattern.trim()).meta({
    description:
      "Regular expression (RE2) that fits the beginning of the tag; the whole of it with $ at the end.",
  }),
  tagPatternMatches: z.boolean().nullish().transform((matches) => matches ?? true).meta({
    description: "false: the tags that the pattern does not fit.",
  }),
});

/**
 * Finds whose policies a request is about, once the caller may administer it.
 * @param how `read` is also for global read-only superusers
 */
type OpenOwner = (request: ApiRequest, how: "read" | "change") => Promise<NamedPolicyOwner>;

const organizationOwner: OpenOwner = async ({ deps, actor, params }, how) => {
  const { id, username } = await openGovernedNamespace(deps, actor, params.orgname!, how);
  return { namespaceId: id, namespace: username };
};

const repositoryOwner: OpenOwner = async ({ deps, actor, params }, how) => {
  const path = repositoryPath(params.repository!);
  const need = how === "read" && isGlobalReadonlySuperuser(deps.config, actor) ? "read" : "admin";
  const { id, namespaceId, namespace, name } = await openRepository(deps, actor, path, need);
  return { namespaceId, repositoryId: id, namespace, repository: name };
};

const userOwner: OpenOwner = ({ actor }) => {
  const { id, username } = requirePerson(actor, "user:admin");
  return Promise.resolve({ namespaceId: id, namespace: username });
};

export const immutabilityPolicyRoutes: readonly Route[] = [
  ...policyRoutes("/organization/{orgname}", "OrganizationImmutability", "org:admin", organizationOwner),
  ...policyRoutes("/repository/{repository}", "RepositoryImmutability", "repo:admin", repositoryOwner),
  ...policyRoutes("/user", "UserImmutability", "user:admin", userOwner),
];

function policyRoutes(
  prefix: string,
  name: string,
  scope: "org:admin" | "repo:admin" | "user:admin",
  openOwner: OpenOwner,
): Route[] {
  const all = `${prefix}/immutabilitypolicy/`;
  const one = `${all}{policy_uuid}` as const;
  const owner = async (
    request: ApiRequest,
    how: "read" | "change" = "change",
  ): Promise<NamedPolicyOwner> => {
    requireImmutableTags(request.deps);
    return await openOwner(request, how);
  };
  return [
    defineRoute({
      method: "GET",
      path: all,
      operationId: `list${name}Policies`,
      summary: "Which tags become immutable by themselves. Only with FEATURE_IMMUTABLE_TAGS.",
      scope,
      responses: { 200: z.object({ policies: z.array(policySchema) }) },
      async handle(request) {
        return reply({
          policies: await listImmutabilityPolicies(request.deps, await owner(request, "read")),
        });
      },
    }),
    defineRoute({
      method: "POST",
      path: all,
      operationId: `create${name}Policy`,
      summary: "Makes tags immutable: those that are there, and those that are pushed from now on.",
      scope,
      body: bodySchema,
      responses: { 201: z.object({ uuid: z.string() }) },
      async handle(request) {
        const { deps, actor, body } = request;
        const uuid = await createImmutabilityPolicy(deps, actor, await owner(request), body);
        return reply({ uuid }, 201);
      },
    }),
    defineRoute({
      method: "GET",
      path: one,
      operationId: `get${name}Policy`,
      summary: "One of them.",
      scope,
      responses: { 200: policySchema },
      async handle(request) {
        const { deps, params } = request;
        return reply(await findImmutabilityPolicy(deps, await owner(request, "read"), params.policy_uuid));
      },
    }),
    defineRoute({
      method: "PUT",
      path: one,
      operationId: `update${name}Policy`,
      summary: "Changes it; what it has made immutable stays so.",
      scope,
      body: bodySchema,
      responses: { 204: null },
      async handle(request) {
        const { deps, actor, params, body } = request;
        await changeImmutabilityPolicy(deps, actor, await owner(request), params.policy_uuid, body);
        return NO_CONTENT;
      },
    }),
    defineRoute({
      method: "DELETE",
      path: one,
      operationId: `delete${name}Policy`,
      summary: "Deletes it; what it has made immutable stays so.",
      scope,
      responses: { 200: z.object({ uuid: z.string() }) },
      async handle(request) {
        const { deps, actor, params } = request;
        await removeImmutabilityPolicy(deps, actor, await owner(request), params.policy_uuid);
        return reply({ uuid: params.policy_uuid });
      },
    }),
  ];
}
