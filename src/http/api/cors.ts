import type { Config } from "../../config/schema.ts";

const MAX_AGE_S = 21_600;

/**
 * CORS headers of an answer (api.md §0). `*` never allows credentials; with configured origins, the one that asks is
 * echoed when it is among them.
 */
export function corsHeaders(
  config: Pick<Config, "CORS_ORIGIN">,
  origin: string | undefined,
  methods: readonly string[],
): Record<string, string> {
  const configured = [config.CORS_ORIGIN].flat().flatMap((value) => value.split(",")).map((value) =>
    value.trim()
  );
  const common = {
    "Access-Control-Allow-Methods": [...methods, "OPTIONS"].join(", "),
    "Access-Control-Max-Age": `${MAX_AGE_S}`,
  };
  if (configured.includes("*")) {
    return {
      ...common,
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Requested-With",
    };
  }
  if (origin === undefined || !configured.includes(origin)) return { Vary: "Origin" };
  return {
    ...common,
    "Access-Control-Allow-Origin": origin,
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Requested-With, Cookie, X-CSRF-Token",
    Vary: "Origin",
  };
}
