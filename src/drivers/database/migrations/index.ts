import identity from "./0001_identity.sql" with { type: "text" };
import repositories from "./0002_repositories.sql" with { type: "text" };
import content from "./0003_content.sql" with { type: "text" };
import policies from "./0004_policies.sql" with { type: "text" };
import service from "./0005_service.sql" with { type: "text" };
import actionLogs from "./0006_action_logs.sql" with { type: "text" };
import sequences from "./0007_sequences.sql" with { type: "text" };
import uploadSessions from "./0008_upload_sessions.sql" with { type: "text" };
import tagHistory from "./0009_tag_history.sql" with { type: "text" };
import tagNameSearch from "./0010_tag_name_search.sql" with { type: "text" };
import accountLookups from "./0011_account_lookups.sql" with { type: "text" };
import oauth from "./0012_oauth.sql" with { type: "text" };
import laterLogKinds from "./0013_later_log_kinds.sql" with { type: "text" };
import logCounts from "./0014_log_counts.sql" with { type: "text" };
import queues from "./0015_queues.sql" with { type: "text" };
import notifications from "./0016_notifications.sql" with { type: "text" };
import immutabilityPolicies from "./0017_immutability_policies.sql" with { type: "text" };
import search from "./0018_search.sql" with { type: "text" };
import listingIndexes from "./0019_listing_indexes.sql" with { type: "text" };
import mirrors from "./0020_mirrors.sql" with { type: "text" };
import blobFetches from "./0021_blob_fetches.sql" with { type: "text" };
import blobClaims from "./0022_blob_claims.sql" with { type: "text" };
import scrub from "./0023_scrub.sql" with { type: "text" };
import mirrorTraffic from "./0024_mirror_traffic.sql" with { type: "text" };
import organizationMirrors from "./0026_organization_mirrors.sql" with { type: "text" };
import quotaSizes from "./0025_quota_sizes.sql" with { type: "text" };
import namespaceNotifications from "./0030_namespace_notifications.sql" with { type: "text" };
import organizationContacts from "./0031_organization_contacts.sql" with { type: "text" };
import peopleOfNamespaces from "./0029_people_of_namespaces.sql" with { type: "text" };

/** In order; a migration that has been released is never changed. */
export const MIGRATIONS: readonly { readonly name: string; readonly text: string }[] = [
  { name: "0001_identity", text: identity },
  { name: "0002_repositories", text: repositories },
  { name: "0003_content", text: content },
  { name: "0004_policies", text: policies },
  { name: "0005_service", text: service },
  { name: "0006_action_logs", text: actionLogs },
  { name: "0007_sequences", text: sequences },
  { name: "0008_upload_sessions", text: uploadSessions },
  { name: "0009_tag_history", text: tagHistory },
  { name: "0010_tag_name_search", text: tagNameSearch },
  { name: "0011_account_lookups", text: accountLookups },
  { name: "0012_oauth", text: oauth },
  { name: "0013_later_log_kinds", text: laterLogKinds },
  { name: "0014_log_counts", text: logCounts },
  { name: "0015_queues", text: queues },
  { name: "0016_notifications", text: notifications },
  { name: "0017_immutability_policies", text: immutabilityPolicies },
  { name: "0018_search", text: search },
  { name: "0019_listing_indexes", text: listingIndexes },
  { name: "0020_mirrors", text: mirrors },
  { name: "0021_blob_fetches", text: blobFetches },
  { name: "0022_blob_claims", text: blobClaims },
  { name: "0023_scrub", text: scrub },
  { name: "0024_mirror_traffic", text: mirrorTraffic },
  { name: "0026_organization_mirrors", text: organizationMirrors },
  { name: "0025_quota_sizes", text: quotaSizes },
  { name: "0029_people_of_namespaces", text: peopleOfNamespaces },
  { name: "0030_namespace_notifications", text: namespaceNotifications },
  { name: "0031_organization_contacts", text: organizationContacts },
];
