import * as z from "zod";
import {
  askForAuthorization,
  type AuthorizedEmailRow,
  findAuthorizedEmail,
  requireMailing,
} from "../../domain/authorized_emails.ts";
import { openRepository } from "../../domain/repositories.ts";
import { type ApiRequest, defineRoute, reply, repositoryPath, type Route } from "./route.ts";

const emailSchema = z.object({
  email: z.string(),
  repository: z.string(),
  namespace: z.string(),
  confirmed: z.boolean().meta({ description: "Whoever reads it has agreed." }),
});

export const authorizedEmailRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/authorizedemail/{email}",
    operationId: "checkRepoEmailAuthorized",
    summary: "Whether the repository's notifications may go to the address.",
    scope: "repo:admin",
    responses: { 200: emailSchema },
    async handle(request) {
      const repository = await administered(request);
      return reply(emailView(await findAuthorizedEmail(request.deps, repository, request.params.email)));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/authorizedemail/{email}",
    operationId: "sendAuthorizeRepoEmail",
    summary: "Asks the address, by mail, whether it wants the repository's notifications.",
    scope: "repo:admin",
    responses: { 200: emailSchema },
    async handle(request) {
      const repository = await administered(request);
      return reply(emailView(await askForAuthorization(request.deps, repository, request.params.email)));
    },
  }),
];

async function administered({ deps, actor, params }: ApiRequest<"repository">) {
  requireMailing(deps);
  return await openRepository(deps, actor, repositoryPath(params.repository), "admin");
}

function emailView(
  { email, repository, namespace, confirmed }: AuthorizedEmailRow,
): z.infer<typeof emailSchema> {
  return { email, repository, namespace, confirmed };
}
