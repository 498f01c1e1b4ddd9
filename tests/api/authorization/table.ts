import type { Resource } from "./rules.ts";
import { applications } from "./application.ts";
import { appTokens } from "./app_token.ts";
import { authorizations } from "./authorization.ts";
import { authorizedEmails } from "./authorized_email.ts";
import { documents } from "./documents.ts";
import { logs } from "./log.ts";
import { manifests } from "./manifest.ts";
import { immutabilityPolicies } from "./immutability_policy.ts";
import { mirrors } from "./mirror.ts";
import { namespaceNotifications, repositoryNotifications, userNotifications } from "./notification.ts";
import { organizationMirrors } from "./organization_mirror.ts";
import { organizations } from "./organization.ts";
import { prototypes } from "./prototype.ts";
import { autoprunePolicies } from "./autoprune_policy.ts";
import { proxyCaches } from "./proxy_cache.ts";
import { quotas } from "./quota.ts";
import { repositories } from "./repository.ts";
import { repositoryTokens } from "./repository_token.ts";
import { repositoryPermissions } from "./repository_permission.ts";
import { robots } from "./robot.ts";
import { searches } from "./search.ts";
import { sessions } from "./session.ts";
import { stars } from "./star.ts";
import { superusers } from "./superuser.ts";
import { tags } from "./tag.ts";
import { teams } from "./team.ts";
import { users } from "./user.ts";

/** Every resource file of this folder. */
export const RESOURCES: readonly Resource[] = [
  documents,
  sessions,
  users,
  organizations,
  teams,
  prototypes,
  proxyCaches,
  applications,
  appTokens,
  authorizations,
  robots,
  repositories,
  repositoryPermissions,
  repositoryTokens,
  authorizedEmails,
  stars,
  tags,
  manifests,
  logs,
  immutabilityPolicies,
  repositoryNotifications,
  namespaceNotifications,
  userNotifications,
  superusers,
  searches,
  quotas,
  autoprunePolicies,
  mirrors,
  organizationMirrors,
];
