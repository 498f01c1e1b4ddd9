import * as z from "zod";
import { duration, flag, optionalText, text, texts, whole } from "../field.ts";

/**
 * `<PREFIX>_LOGIN_CONFIG`: an OpenID Connect provider, or GitHub or Google under their own names. The loader
 * says which keys are missing for which kind.
 */
export const loginConfig = z.looseObject({
  CLIENT_ID: z.string().optional(),
  CLIENT_SECRET: z.string().nullable().optional(),
  OIDC_SERVER: z.string().optional(),
  SERVICE_NAME: z.string().optional(),
  SERVICE_ICON: z.string().nullable().optional(),
  LOGIN_SCOPES: z.array(z.string()).optional(),
  LOGIN_BINDING_FIELD: z.enum(["sub", "username", "email"]).nullable().optional(),
  VERIFIED_EMAIL_CLAIM_NAME: z.string().nullable().optional(),
  PREFERRED_USERNAME_CLAIM_NAME: z.string().nullable().optional(),
  PREFERRED_GROUP_CLAIM_NAME: z.string().nullable().optional(),
  OIDC_DISABLE_USER_ENDPOINT: z.boolean().optional(),
  OIDC_ENDPOINT_CUSTOM_PARAMS: z.record(z.string(), z.unknown()).nullable().optional(),
  OIDC_ISSUER: z.string().nullable().optional(),
  OIDC_ISSUERS: z.array(z.string()).optional(),
  OIDC_AUDIENCES: z.array(z.string()).optional(),
  OIDC_ALLOWED_CLIENTS: z.array(z.string()).optional(),
  DEBUGGING: z.boolean().optional(),
  USE_PKCE: z.boolean().optional(),
  PKCE_METHOD: z.enum(["S256", "plain"]).optional(),
  PUBLIC_CLIENT: z.boolean().optional(),
  GITHUB_ENDPOINT: z.string().optional(),
  API_ENDPOINT: z.string().nullable().optional(),
  ORG_RESTRICT: z.boolean().optional(),
  ALLOWED_ORGANIZATIONS: z.array(z.string()).nullable().optional(),
});
export type LoginConfig = z.infer<typeof loginConfig>;

function login(description: string) {
  return loginConfig.nullable().default(null).meta({ kind: "object", secret: true, description });
}

/** Directories and external sign-in. */
export const signInKeys = {
  FEATURE_GITHUB_LOGIN: flag(false, "Sign in with GitHub."),
  GITHUB_LOGIN_CONFIG: login(
    "GitHub application: CLIENT_ID, CLIENT_SECRET, GITHUB_ENDPOINT, API_ENDPOINT, ORG_RESTRICT, ALLOWED_ORGANIZATIONS.",
  ),
  FEATURE_GOOGLE_LOGIN: flag(false, "Sign in with Google."),
  GOOGLE_LOGIN_CONFIG: login("Google application: CLIENT_ID, CLIENT_SECRET."),
  LDAP_URI: text("ldap://localhost", "The directory.", { unit: "ldap:// or ldaps:// URI" }),
  LDAP_BASE_DN: texts([], "Base as a list of parts, such as [dc=example, dc=com]."),
  LDAP_ADMIN_DN: optionalText("Account that searches."),
  LDAP_ADMIN_PASSWD: optionalText("Its password.", { secret: true }),
  LDAP_USER_RDN: texts([], "Where users are, relative to the base."),
  LDAP_SECONDARY_USER_RDNS: texts([], "Further places, each one text with commas."),
  LDAP_UID_ATTR: text("uid", "Attribute with the user name."),
  LDAP_EMAIL_ATTR: text("mail", "Attribute with the e-mail address."),
  LDAP_MEMBEROF_ATTR: text("memberOf", "Attribute with the groups of a user."),
  LDAP_USER_FILTER: optionalText("Filter that every user and group search is narrowed with.", {
    unit: "LDAP filter",
  }),
  LDAP_SUPERUSER_FILTER: optionalText("Filter that superusers match.", { unit: "LDAP filter" }),
  LDAP_GLOBAL_READONLY_SUPERUSER_FILTER: optionalText("Filter that read-only superusers match.", {
    unit: "LDAP filter",
  }),
  LDAP_RESTRICTED_USER_FILTER: optionalText("Filter that restricted users match.", { unit: "LDAP filter" }),
  LDAP_TIMEOUT: whole(10, "s", "Longest wait for an answer."),
  LDAP_NETWORK_TIMEOUT: whole(10, "s", "Longest wait for a connection."),
  LDAP_FOLLOW_REFERRALS: flag(true, "Follow referrals to other servers."),
  LDAP_ALLOW_INSECURE_FALLBACK: flag(false, "Go on without TLS when TLS fails."),
  FEATURE_LDAP_CACHING: flag(false, "Remember answers of the directory.", { since: "3.17" }),
  LDAP_CACHE_TTL: whole(60, "s", "How long.", { since: "3.17" }),
  LDAP_CONNECTION_POOLING: flag(true, "Keep connections to the directory open.", { since: "3.18" }),
  JWT_VERIFY_ENDPOINT: optionalText("JWT engine: checks a password.", { unit: "URL" }),
  JWT_QUERY_ENDPOINT: optionalText("JWT engine: finds users.", { unit: "URL" }),
  JWT_GETUSER_ENDPOINT: optionalText("JWT engine: describes a user.", { unit: "URL" }),
  JWT_AUTH_ISSUER: optionalText("JWT engine: issuer of its answers."),
  JWT_AUTH_MAX_FRESH_S: whole(300, "s", "JWT engine: oldest answer that is believed."),
  KEYSTONE_AUTH_URL: optionalText("Keystone.", { unit: "URL" }),
  KEYSTONE_AUTH_VERSION: whole(2, "version", "Its API, 2 or 3."),
  KEYSTONE_AUTH_TIMEOUT: whole(10, "s", "Longest wait for it."),
  KEYSTONE_ADMIN_USERNAME: optionalText("Account that searches."),
  KEYSTONE_ADMIN_PASSWORD: optionalText("Its password.", { secret: true }),
  KEYSTONE_ADMIN_TENANT: optionalText("Its tenant."),
  FEATURE_TEAM_SYNCING: flag(false, "Teams may follow groups of the directory."),
  TEAM_RESYNC_STALE_TIME: duration("30m", "Age at which a team is synchronized again."),
  TEAM_SYNC_WORKER_FREQUENCY: whole(60, "s", "How often stale teams are looked for.", { min: 1 }),
  FEATURE_NONSUPERUSER_TEAM_SYNCING_SETUP: flag(
    false,
    "Administrators of an organization may set it up without being superusers.",
  ),
};
