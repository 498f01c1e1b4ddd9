import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const key = randomBytes(32);

/** Whether two texts are the same, in a time that tells nothing of either; nothing equals the empty text. */
export function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHmac("sha256", key).update(text).digest();
  return timingSafeEqual(digest(given), digest(expected)) && expected !== "";
}
