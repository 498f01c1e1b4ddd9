import * as z from "zod";
import type { Actor } from "../../domain/access/access.ts";
import {
  changePolicy,
  createPolicy,
  getPolicy,
  listPolicies,
  openOrganizationPolicies,
  openOwnPolicies,
  openRepositoryPolicies,
  type Policy,
  type PolicyPlace,
  removePolicy,
  requireAutoPrune,
  type StoredPolicy,
} from "../../domain/content/autoprune_policies.ts";
import type { Deps } from "../../domain/deps.ts";
import { defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";

const method = z.enum(["number_of_tags", "creation_date"]);
const value = z.union([z.number(), z.string()]).meta({
  description: "How many tags stay, or how old they may become, such as 5d.",
});

const bodySchema = z.object({
  method,
  value,
  tagPattern: z.string().nullish().meta({ description: "A regular expression (RE2); absent: all tags." }),
  tagPatternMatches: z.boolean().nullish()
    .meta({ description: "false: those tags that do not match. true unless it is given." }),
});

const policySchema = z.object({
  uuid: z.string(),
  method,
  value,
  tagPattern: z.string().nullable(),
  tagPatternMatches: z.boolean(),
});
const uuidSchema = z.object({ uuid: z.string() });

type Open = (
  deps: Deps,
  actor: Actor,
  params: Record<string, string>,
  how: "read" | "change",
) => Promise<PolicyPlace>;

/** The same six calls under each address. `subject`: in Quay's names of them. */
function policyRoutes(root: string, subject: string, scope: Route["scope"], open: Open): readonly Route[] {
  const what = { scope } as { scope: NonNullable<Route["scope"]> };
  const opened = async (
    { deps, actor, params }: { deps: Deps; actor: Actor; params: Readonly<Record<string, string>> },
    how: "read" | "change",
  ) => {
    requireAutoPrune(deps);
    return await open(deps, actor, params, how);
  };
  return [
    defineRoute({
      ...what,
      method: "GET",
      path: `${root}/autoprunepolicy/` as const,
      operationId: `list${subject}AutoPrunePolicies`,
      summary: "By what rules old tags are deleted.",
      responses: { 200: z.object({ policies: z.array(policySchema) }) },
      async handle(request) {
        const policies = await listPolicies(request.deps, await opened(request, "read"));
        return reply({ policies: policies.map(policyView) });
      },
    }),
    defineRoute({
      ...what,
      method: "POST",
      path: `${root}/autoprunepolicy/` as const,
      operationId: `create${subject}AutoPrunePolicy`,
      summary: "Adds such a rule.",
      body: bodySchema,
      responses: { 201: uuidSchema },
      async handle(request) {
        const { deps, actor, body } = request;
        const place = await opened(request, "change");
        return reply({ uuid: await createPolicy(deps, actor, place, policyOf(body)) }, 201);
      },
    }),
    defineRoute({
      ...what,
      method: "GET",
      path: `${root}/autoprunepolicy/{policy_uuid}` as const,
      operationId: `get${subject}AutoPrunePolicy`,
      summary: "Such a rule.",
      responses: { 200: policySchema },
      async handle(request) {
        const place = await opened(request, "read");
        return reply(policyView(await getPolicy(request.deps, place, request.params.policy_uuid)));
      },
    }),
    defineRoute({
      ...what,
      method: "PUT",
      path: `${root}/autoprunepolicy/{policy_uuid}` as const,
      operationId: `update${subject}AutoPrunePolicy`,
      summary: "Changes such a rule.",
      body: bodySchema,
      responses: { 204: null },
      async handle(request) {
        const { deps, actor, params, body } = request;
        const place = await opened(request, "change");
        await changePolicy(deps, actor, place, params.policy_uuid, policyOf(body));
        return NO_CONTENT;
      },
    }),
    defineRoute({
      ...what,
      method: "DELETE",
      path: `${root}/autoprunepolicy/{policy_uuid}` as const,
      operationId: `delete${subject}AutoPrunePolicy`,
      summary: "Takes such a rule away.",
      responses: { 200: uuidSchema },
      async handle(request) {
        const { deps, actor, params } = request;
        const uuid = params.policy_uuid;
        await removePolicy(deps, actor, await opened(request, "change"), uuid);
        return reply({ uuid });
      },
    }),
  ];
}

export const autoprunePolicyRoutes: readonly Route[] = [
  ...policyRoutes(
    "/organization/{orgname}",
    "Organization",
    "org:admin",
    (deps, actor, params, how) => openOrganizationPolicies(deps, actor, params.orgname ?? "", how),
  ),
  ...policyRoutes(
    "/repository/{repository}",
    "Repository",
    "repo:admin",
    (deps, actor, params, how) =>
      openRepositoryPolicies(deps, actor, repositoryPath(params.repository ?? ""), how),
  ),
  ...policyRoutes("/user", "User", "user:admin", (deps, actor) => openOwnPolicies(deps, actor)),
];

function policyOf(body: z.infer<typeof bodySchema>): Policy {
  return {
    method: body.method,
    value: body.value,
    tagPattern: body.tagPattern === "" ? null : body.tagPattern ?? null,
    tagPatternMatches: body.tagPatternMatches ?? true,
  };
}

function policyView(policy: StoredPolicy): z.infer<typeof policySchema> {
  return {
    uuid: policy.uuid,
    method: policy.method,
    value: policy.value,
    tagPattern: policy.tagPattern,
    tagPatternMatches: policy.tagPatternMatches,
  };
}
