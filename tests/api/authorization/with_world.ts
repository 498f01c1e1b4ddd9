import type { Pool } from "../../../src/drivers/database/postgres.ts";
import { createMemoryDriver } from "../../../src/drivers/storage/memory.ts";
import type { StorageLocation } from "../../../src/drivers/storage/driver.ts";
import { testDeps, withTemplate } from "../../database.ts";
import { CALLERS, credentialsOf } from "./callers.ts";
import { FEATURES } from "./rows.ts";
import { RESOURCES } from "./table.ts";
import { switched } from "./variants.ts";
import { CONFIG, World } from "./world.ts";

export interface Built {
  readonly world: World;
  /** The database to copy. */
  readonly template: string;
  /** By the caller's name: headers of its next request. */
  readonly credentials: ReadonlyMap<string, () => Record<string, string>>;
  readonly storage: StorageLocation;
}

/** Builds the world, once, for tests to work on copies. */
export async function withWorld(work: (built: Built) => Promise<void>): Promise<void> {
  const storage = { name: "default", driver: createMemoryDriver() };
  const credentials = new Map<string, () => Record<string, string>>();
  let world: World | undefined;
  const fill = async (sql: Pool) => {
    world = new World(testDeps(sql, { storage, config: { ...CONFIG, ...switched(FEATURES, true) } }));
    await world.build();
    for (const { prepare } of RESOURCES) await prepare?.(world);
    await world.finish();
    for (const caller of CALLERS) credentials.set(caller.name, await credentialsOf(world, caller));
  };
  await withTemplate(fill, (template) => work({ world: world!, template, credentials, storage }));
}
