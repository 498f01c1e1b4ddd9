import { stringify } from "@std/yaml";
import type { z } from "zod";
import { ACTED_ON, NOT_NEEDED } from "./acted_on.ts";
import { type ConfigKey, SECTIONS } from "./schema.ts";

const WIDTH = 110;

const HEAD =
  `Every key of config.yaml, with its default. Generated from the schema: deno run -A scripts/gen_config_docs.ts

Lines that begin with "#KEY" are keys at their defaults; remove the # to change one. A key that is "not acted on
yet" is known and checked, and reported by name at start when it is set. Spans of time are a whole number and
s, m, h, d or w. null overrides a default with "nothing".

Order of precedence: these defaults, config.yaml (YAML or JSON), the environment variable QUAY_OVERRIDE_CONFIG (a JSON
object), the environment variable QUAY_DISTRIBUTED_STORAGE_PREFERENCE (ids separated by spaces).`;

const PROVIDERS =
  `<PREFIX>_LOGIN_CONFIG: an OpenID Connect provider; PREFIX is of your choice. Required: CLIENT_ID,
CLIENT_SECRET, OIDC_SERVER (https, with a slash at its end), SERVICE_NAME. Further: SERVICE_ICON, LOGIN_SCOPES,
LOGIN_BINDING_FIELD, VERIFIED_EMAIL_CLAIM_NAME, PREFERRED_USERNAME_CLAIM_NAME, PREFERRED_GROUP_CLAIM_NAME,
OIDC_DISABLE_USER_ENDPOINT, OIDC_ENDPOINT_CUSTOM_PARAMS, OIDC_ISSUER, DEBUGGING, USE_PKCE, PKCE_METHOD,
PUBLIC_CLIENT, OIDC_ISSUERS, OIDC_AUDIENCES, OIDC_ALLOWED_CLIENTS. Not acted on yet.`;

/** The text of config/full.yaml: a file that changes nothing as it is, and documents every key. */
export function configReference(): string {
  const sections = SECTIONS.map(({ title, keys }) => {
    const rule = "-".repeat(Math.max(3, WIDTH - title.length - 6));
    return [
      `# -- ${title} ${rule}`,
      ...Object.entries(keys).map(([key, schema]) => keyText(key as ConfigKey, schema)),
    ]
      .join("\n\n");
  });
  return `${comment(HEAD)}\n\n${sections.join("\n\n")}\n\n${comment(PROVIDERS)}\n`;
}

function keyText(key: ConfigKey, schema: z.ZodType): string {
  const { description = "", kind = "mixed", unit, since, values } = schema.meta() ?? {};
  const facts = [
    KINDS[kind],
    ...(values === undefined ? [] : [`one of ${values.join(", ")}`]),
    ...(unit === undefined ? [] : [`unit: ${unit}`]),
    ...(since === undefined ? [] : [`Quay ${since} and later`]),
    effectOf(key),
  ];
  const value = stringify({ [key]: schema.parse(undefined) }, { lineWidth: 0 }).trimEnd();
  return `${comment(wrap(description))}\n${comment(wrap(`(${facts.join("; ")})`))}\n${
    value.replace(/^/gm, "#")
  }`;
}

/** Whether setting the key changes anything, in words. */
function effectOf(key: ConfigKey): string {
  const reason = NOT_NEEDED[key];
  if (reason !== undefined) return `no effect: ${reason.replace(/\.$/, "")}`;
  return ACTED_ON.has(key) ? "acted on" : "not acted on yet";
}

const KINDS = {
  flag: "true or false",
  whole: "whole number",
  number: "number",
  text: "text",
  list: "list",
  object: "mapping",
  mixed: "text or list",
} as const;

function comment(text: string): string {
  return text.split("\n").map((line) => line === "" ? "#" : `# ${line}`).join("\n");
}

function wrap(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1] ?? "";
    if (last !== "" && last.length + word.length + 1 > WIDTH - 2) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\n");
}
