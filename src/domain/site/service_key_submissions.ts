/** Superusers are told of each key that waits for them, until somebody has decided about it (Quay: `service_key_submitted`). */
import type { Sql } from "../../drivers/database/postgres.ts";
import {
  deleteUserNotificationsAt,
  insertUserNotifications,
} from "../../drivers/database/queries/user_notification.ts";
import type { Deps } from "../deps.ts";
import { superuserIds } from "./superusers.ts";

/** In the caller's transaction. */
export async function tellOfSubmission(
  { sql, config, now }: { readonly sql: Sql } & Pick<Deps, "config" | "now">,
  key: { kid: string; service: string; jwk: unknown; expirationDate: string | null },
): Promise<void> {
  const targetIds = await superuserIds({ sql, config });
  const nowMs = now();
  await insertUserNotifications(sql, {
    kind: "service_key_submitted",
    targetIds,
    metadata: {
      name: "",
      kid: key.kid,
      service: key.service,
      jwk: key.jwk,
      created_date: new Date(nowMs).toISOString(),
      expiration_date: key.expirationDate,
    },
    nowMs,
    lookupPath: pathOf(key.kid),
  });
}

export function forgetSubmissions(sql: Sql, kids: readonly string[]): Promise<void> {
  return deleteUserNotificationsAt(sql, kids.map(pathOf));
}

function pathOf(kid: string): string {
  return `/service_key_approval/${kid}`.slice(0, 255);
}
