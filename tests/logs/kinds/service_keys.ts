/** Keys of services, which belong to nobody's namespace. */
import { ANY_TEXT, type Writing, type Writings } from "./written.ts";
import type { World } from "../world.ts";

const KEYS = "/superuser/keys";

async function newKey({ root }: World): Promise<string> {
  const { kid } = await root.expect(200, "POST", KEYS, { service: "builder", expiration: null, name: "k" });
  return `${KEYS}/${kid}`;
}

const KEY = { kid: ANY_TEXT, service: "builder", name: "k", expiration_date: null };
/** Superusers make keys that are good at once. */
const MADE = { preshared: true, auto_approved: true };

function writes(act: (world: World) => Promise<unknown>, metadata: Record<string, unknown>): Writing {
  return { act, row: () => ({ account: null, performer: "root", metadata }) };
}

export const serviceKeyKinds: Writings = {
  service_key_create: writes(newKey, { ...KEY, ...MADE }),
  service_key_approve: writes(newKey, { ...KEY, ...MADE }),
  service_key_modify: writes(
    async (world) => await world.root.expect(200, "PUT", await newKey(world), { name: "other" }),
    { ...KEY, name: "other" },
  ),
  service_key_extend: writes(
    async (world) => await world.root.expect(200, "PUT", await newKey(world), { expiration: 4_000_000_000 }),
    { ...KEY, expiration_date: "2096-10-02T07:06:40.000Z", old_expiration_date: null },
  ),
  service_key_delete: writes(
    async (world) => await world.root.expect(204, "DELETE", await newKey(world)),
    { ...KEY, created_date: ANY_TEXT },
  ),
};
