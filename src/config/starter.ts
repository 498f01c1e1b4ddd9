import type { Secrets } from "./secrets_file.ts";

export interface StarterOptions {
  /** `SERVER_HOSTNAME` as it is to be written. */
  serverHostname: string;
  scheme: "http" | "https";
  storagePath: string;
  secrets: Secrets;
}

/** The text of a config.yaml that works as it is, in the order in which an operator reads it. */
export function starterConfig({ serverHostname, scheme, storagePath, secrets }: StarterOptions): string {
  return `# Quaylet's configuration: Quay's keys. All of them, with defaults and meaning: config/full.yaml.
# "quaylet check" says what is wrong with this file and how to mend it.

# How clients reach this registry, as it is written in image names.
SERVER_HOSTNAME: ${JSON.stringify(serverHostname)}
PREFERRED_URL_SCHEME: ${scheme}
# IPv4, IPv6 or dual-stack
FEATURE_LISTEN_IP_VERSION: dual-stack

# Keep these two secret and safe: without DATABASE_SECRET_KEY a backup cannot be used.
SECRET_KEY: ${JSON.stringify(secrets.SECRET_KEY)}
DATABASE_SECRET_KEY: ${JSON.stringify(secrets.DATABASE_SECRET_KEY)}

# No DB_URI: the embedded PostgreSQL in the data directory.
# DB_URI: postgresql://quay:PASSWORD@db.example.com:5432/quay

DISTRIBUTED_STORAGE_CONFIG:
  default:
    - LocalStorage
    - storage_path: ${JSON.stringify(storagePath)}
DISTRIBUTED_STORAGE_PREFERENCE: [default]

# The first user is made with POST /api/v1/user/initialize, while there is none.
FEATURE_USER_INITIALIZE: true
SUPER_USERS: [admin]
FEATURE_MAILING: false
`;
}
