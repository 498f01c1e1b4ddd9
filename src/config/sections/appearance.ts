import * as z from "zod";
import { flag, oneOf, optionalText, optionalWhole, text, texts, whole } from "../field.ts";

const SEVERITIES = ["Critical", "High", "Medium", "Low", "Negligible", "Unknown"] as const;

/** Mail, notifications, and how the user interface looks. */
export const appearanceKeys = {
  FEATURE_MAILING: flag(
    true,
    "Send mail; users then need an e-mail address. false when there is no config.yaml.",
  ),
  MAIL_SERVER: text("", "SMTP server.", { unit: "host" }),
  MAIL_PORT: whole(587, "port", "Its port."),
  MAIL_USE_TLS: flag(true, "Use STARTTLS."),
  MAIL_USE_AUTH: flag(false, "Sign in to it."),
  MAIL_USERNAME: optionalText("User name for it."),
  MAIL_PASSWORD: optionalText("Password for it.", { secret: true }),
  MAIL_DEFAULT_SENDER: text("admin@example.com", "Address that mail comes from."),
  MAIL_FAIL_SILENTLY: flag(false, "Only log mail that could not be sent."),
  NOTIFICATION_SEND_TIMEOUT: whole(10, "s", "Longest wait for a webhook.", { min: 1 }),
  WEBHOOK_HOSTNAME_BLACKLIST: texts([], "Hosts that webhooks may not go to; localhost never may."),
  FEATURE_IMAGE_EXPIRY_TRIGGER: flag(false, "Notifications before a tag expires."),
  NOTIFICATION_TASK_RUN_MINIMUM_INTERVAL_MINUTES: whole(
    300,
    "min",
    "How often expiring tags are looked for.",
  ),
  FEATURE_SECURITY_NOTIFICATIONS: flag(false, "Notifications of vulnerabilities."),
  FEATURE_SECURITY_SCANNER_NOTIFY_ON_NEW_INDEX: flag(true, "… also for images that were just scanned."),
  NOTIFICATION_MIN_SEVERITY_ON_NEW_INDEX: oneOf(SEVERITIES, "High", "Least severity for those."),
  REGISTRY_TITLE: text("Project Quay", "Title of the user interface."),
  REGISTRY_TITLE_SHORT: text("Project Quay", "Its short form."),
  BRANDING: z.looseObject({
    logo: z.string().nullable().optional(),
    footer_img: z.string().nullable().optional(),
    footer_url: z.string().nullable().optional(),
  })
    .nullable().default(null).meta({
      kind: "object",
      description: "Logo, footer image and footer link: {logo, footer_img, footer_url}.",
    }),
  ENTERPRISE_LOGO_URL: optionalText("Logo; wins over BRANDING.logo.", { unit: "URL" }),
  CONTACT_INFO: texts([], "Links to people to ask: mailto:, tel:, irc:, http(s):."),
  AVATAR_KIND: oneOf(["local", "gravatar"], "local", "Where avatars come from."),
  DOCUMENTATION_ROOT: optionalText("Where links to documentation lead.", { unit: "URL" }),
  TERMS_OF_SERVICE_URL: text("", "Terms of service.", { unit: "URL" }),
  FOOTER_LINKS: z.record(z.string(), z.unknown()).default({})
    .meta({ kind: "object", since: "3.14", description: "Links at the foot of each page, by name." }),
  FEATURE_UI_V2: flag(false, "Offer Quay's new user interface. Quaylet has one user interface."),
  UI_V2_FEEDBACK_FORM: optionalText("Form to comment on it.", { unit: "URL" }),
  FEATURE_UI_DELAY_AFTER_WRITE: flag(false, "The user interface waits after a change before it reads again."),
  UI_DELAY_AFTER_WRITE_SECONDS: whole(3, "s", "How long."),
  DEFAULT_UI: oneOf(["angular", "react"], "react", "Quay's user interface shown first. Quaylet has one.", {
    since: "3.16",
  }),
  DISABLE_ANGULAR_UI: flag(false, "Hide Quay's old user interface.", { since: "3.18" }),
  FEATURE_UI_MODELCARD: flag(false, "Show model cards of AI models.", { since: "3.18" }),
  SEARCH_RESULTS_PER_PAGE: whole(10, "entries", "Search results on one page.", { min: 1 }),
  SEARCH_MAX_RESULT_PAGE_COUNT: whole(10, "pages", "Pages of search results.", { min: 1 }),
  PUBLIC_NAMESPACES: texts([], "Namespaces that everybody sees in lists."),
  SERVICE_LOG_ACCOUNT_ID: optionalWhole(
    "user id",
    "Account that audit records without a namespace are filed under.",
  ),
};
