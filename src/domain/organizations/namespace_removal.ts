import {
  deleteMirrorsOfRobots,
  deleteRobotAccounts,
  deleteRobotReferences,
  selectRobots,
} from "../../drivers/database/queries/robot.ts";
import { deleteOrganizationMirrorsOfRobots } from "../../drivers/database/queries/organization_mirror.ts";
import { insertQueueItem } from "../../drivers/database/queries/queue.ts";
import { deleteMembershipsOf } from "../../drivers/database/queries/team.ts";
import { deleteTeamInvitesWith } from "../../drivers/database/queries/team_invite.ts";
import {
  anonymizeAccount,
  insertDeletedNamespace,
  type UserRow,
} from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import type { Deps } from "../deps.ts";
import { cancelInvitesTo } from "./team_invite_removal.ts";

/**
 * Frees the name and e-mail of a person or organization, ends its robots and memberships, and queues its content for
 * deletion. Robots go at once: their names start with the freed one and would belong to whoever takes it next.
 * @param account the caller has checked permission
 * @param also what belongs into the same transaction; it may refuse by throwing
 */
export async function removeNamespace(
  deps: Pick<Deps, "sql" | "changes" | "now">,
  account: UserRow,
  also: (tx: Sql) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const nowMs = deps.now();
  await deps.sql.begin(async (tx) => {
    await also(tx);
    const robots = (await selectRobots(tx, account.username, null)).map((robot) => robot.id);
    if (robots.length > 0) {
      await deleteMirrorsOfRobots(tx, robots);
      await deleteOrganizationMirrorsOfRobots(tx, robots);
      await deleteRobotReferences(tx, robots);
      await deleteRobotAccounts(tx, robots);
    }
    await cancelInvitesTo({ sql: tx }, { organizationId: account.id });
    await deleteTeamInvitesWith(tx, account.id);
    await deleteMembershipsOf(tx, account.id);
    await anonymizeAccount(tx, account.id);
    const queueId = await insertQueueItem(tx, {
      queueName: `namespacegc/${account.id}/`,
      body: JSON.stringify({ namespace_id: account.id, original_username: account.username }),
      nowMs,
      retries: 5,
    });
    await insertDeletedNamespace(tx, {
      namespaceId: account.id,
      originalUsername: account.username,
      originalEmail: account.email,
      queueId,
      nowMs,
    });
  });
  deps.changes?.allChanged();
}
