import * as z from "zod";
import {
  type AuthorizedEmail,
  getAuthorizedEmail,
  requestAuthorizedEmail,
} from "../../domain/accounts/authorized_emails.ts";
import { defineRoute, reply, repositoryPath, type Route } from "./route.ts";

const authorizedEmailSchema = z.object({
  email: z.string(),
  repository: z.string(),
  namespace: z.string(),
  confirmed: z.boolean(),
});

export const authorizedEmailRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/authorizedemail/{email}",
    operationId: "checkRepoEmailAuthorized",
    summary: "Whether notifications of the repository may be sent to the address.",
    scope: "repo:admin",
    responses: { 200: authorizedEmailSchema },
    async handle({ deps, actor, params }) {
      const path = repositoryPath(params.repository);
      return reply(view(path, await getAuthorizedEmail(deps, actor, path, params.email)));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/authorizedemail/{email}",
    operationId: "sendAuthorizeRepoEmail",
    summary: "Asks the owner of the address, with a mail.",
    scope: "repo:admin",
    responses: { 200: authorizedEmailSchema },
    async handle({ deps, actor, params }) {
      const path = repositoryPath(params.repository);
      return reply(view(path, await requestAuthorizedEmail(deps, actor, path, params.email)));
    },
  }),
];

function view(
  { namespace, name: repository }: { namespace: string; name: string },
  { email, confirmed }: AuthorizedEmail,
): z.infer<typeof authorizedEmailSchema> {
  return { email, repository, namespace, confirmed };
}
