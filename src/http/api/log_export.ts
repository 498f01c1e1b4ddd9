import * as z from "zod";
import { requestExport } from "../../domain/logs/log_export.ts";
import { type OpenLog, openOrganizationLog, openOwnLog, openRepositoryLog } from "../../domain/logs/logs.ts";
import { AppError } from "../../lib/errors.ts";
import { optionalText } from "./fields.ts";
import { rangeParams, readRange } from "./logs.ts";
import { type ApiRequest, defineRoute, reply, repositoryPath, type Route } from "./route.ts";

const body = z.object({
  callback_url: optionalText.meta({ description: "Told by POST where the export is: http or https." }),
  callback_email: optionalText.meta({ description: "Told by e-mail." }),
});
const query = z.object(rangeParams);
const responses = { 200: z.object({ export_id: z.string() }) };

export const logExportRoutes: readonly Route[] = [
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/exportlogs",
    operationId: "exportRepoLogs",
    summary: "Asks for an export of what was done in a repository.",
    scope: "repo:admin",
    body,
    query,
    responses,
    handle: (request) =>
      exportReply(request, () => {
        const path = repositoryPath(request.params.repository);
        return openRepositoryLog(request.deps, request.actor, path, "export");
      }),
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/exportlogs",
    operationId: "exportOrgLogs",
    summary: "Asks for an export of what was done in an organization.",
    scope: "org:admin",
    body,
    query,
    responses,
    handle: (request) =>
      exportReply(
        request,
        () => openOrganizationLog(request.deps, request.actor, request.params.orgname, "export"),
      ),
  }),
  defineRoute({
    method: "POST",
    path: "/user/exportlogs",
    operationId: "exportUserLogs",
    summary: "Asks for an export of what was done in one's own namespace.",
    scope: "user:admin",
    body,
    query,
    responses,
    handle: (request) => exportReply(request, () => openOwnLog(request.actor)),
  }),
];

async function exportReply(
  { deps, actor, body: wish, query: range }: ApiRequest<never, z.infer<typeof body>, z.infer<typeof query>>,
  open: () => OpenLog | Promise<OpenLog>,
) {
  if (!deps.config.FEATURE_LOG_EXPORT) throw new AppError("feature_disabled", "Not Found");
  const exportId = await requestExport(deps, actor, await open(), {
    ...readRange(deps, range),
    callbackUrl: wish.callback_url || undefined,
    callbackEmail: wish.callback_email || undefined,
  });
  return reply({ export_id: exportId });
}
