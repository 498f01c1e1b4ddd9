/** What the superuser routes have in common. */
import * as z from "zod";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import type { Deps } from "../../domain/deps.ts";
import { isNamedSuperuser } from "../../domain/access/access.ts";
import { AppError } from "../../lib/errors.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { quotaFields } from "./quota_view.ts";

/** What every superuser route is: for signed-in people whose password was typed a moment ago, or such a token. */
export const FOR_SUPERUSERS = { scope: "super:user", freshLogin: true } as const;

export const managedUserSchema = z.object({
  kind: z.literal("user"),
  name: z.string(),
  username: z.string(),
  email: z.string(),
  verified: z.boolean(),
  avatar: avatarSchema,
  super_user: z.boolean(),
  enabled: z.boolean(),
  ...quotaFields,
});

export interface ManagedUser {
  readonly username: string;
  readonly email: string;
  readonly verified: boolean;
  readonly enabled: boolean;
}

export function managedUserView(
  deps: Pick<Deps, "config">,
  user: ManagedUser,
): z.infer<typeof managedUserSchema> {
  const email = visibleEmail(user);
  return {
    kind: "user",
    name: user.username,
    username: user.username,
    email,
    verified: user.verified,
    avatar: avatar("user", user.username, email),
    super_user: isNamedSuperuser(deps.config, user.username),
    enabled: user.enabled,
  };
}

/** Without superusers their routes are not there. @throws {AppError} `feature_disabled` */
export function requireSuperuserFeature({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_SUPER_USERS) throw new AppError("feature_disabled", "Not Found");
}

/** As many entries does a list without `limit` show at once; the rest has a `next_page`. */
export const WHOLE_LIST = 10_000;

/** How many entries a page may have. @throws {AppError} `invalid_request` */
export function pageLimit(limit: number): number {
  if (limit === 0) return WHOLE_LIST;
  if (limit < 0 || limit > 100) throw new AppError("invalid_request", "Page limit must be 1 to 100");
  return limit;
}
