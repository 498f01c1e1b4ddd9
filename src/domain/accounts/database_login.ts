import {
  recordInvalidLogin,
  resetInvalidLogins,
  selectPersonByLogin,
} from "../../drivers/database/queries/credential.ts";
import type { AuthDriver } from "../../drivers/auth/driver.ts";
import type { Deps } from "../deps.ts";
import { verifyPassword } from "./passwords.ts";

/** 0.5 s · (2ⁿ − 1) stops growing here (12 days): a timestamp must be able to hold it. */
const ATTEMPTS_MAX = 21;

/** How long after its last failure an account with `attempts` failures refuses every password. */
export function lockOutMs(attempts: number): number {
  return 500 * (2 ** Math.min(attempts, ATTEMPTS_MAX) - 1);
}

/** Passwords in the table `"user"` (`AUTHENTICATION_TYPE: Database`), with a lock-out that grows with each failure. */
export function databaseLogin({ sql, now }: Pick<Deps, "sql" | "now">): AuthDriver {
  return {
    async verify(login, password) {
      // Names are ASCII, and PostgreSQL takes no NUL: anything else finds nobody.
      const person = /^[\x21-\x7e]{1,255}$/.test(login) ? await selectPersonByLogin(sql, login) : undefined;
      if (person === undefined) {
        await verifyPassword(password, null);
        return { outcome: "wrong" };
      }
      if (person.invalidAttempts > 0) {
        const retryAfterMs = person.lastInvalidMs + lockOutMs(person.invalidAttempts) - now();
        if (retryAfterMs > 0) return { outcome: "locked", retryAfterMs };
      }
      if (!await verifyPassword(password, person.passwordHash)) {
        await recordInvalidLogin(sql, person.id, now());
        return { outcome: "wrong" };
      }
      if (person.invalidAttempts > 0) await resetInvalidLogins(sql, person.id);
      return { outcome: "ok", person };
    },
  };
}
