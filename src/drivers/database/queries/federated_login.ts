import type { Sql } from "../postgres.ts";

/** An account elsewhere that a person signs in with. */
export interface FederatedLogin {
  readonly service: string;
  readonly ident: string;
  /** A JSON object as text. */
  readonly metadataJson: string;
}

export function selectFederatedLogins(sql: Sql, userId: number): Promise<FederatedLogin[]> {
  return sql<FederatedLogin[]>`
    select s.name as service, f.service_ident as ident, f.metadata_json as "metadataJson"
    from federatedlogin f join loginservice s on s.id = f.service_id
    where f.user_id = ${userId} order by s.name`;
}

/** @returns whether there was one */
export async function deleteFederatedLogin(sql: Sql, userId: number, service: string): Promise<boolean> {
  const result = await sql`
    delete from federatedlogin f using loginservice s
    where s.id = f.service_id and f.user_id = ${userId} and s.name = ${service}`;
  return result.count > 0;
}
