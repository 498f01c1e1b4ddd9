import type { Pool } from "../drivers/database/postgres.ts";

/**
 * State that belongs to one composed service (its pool stands for it) and ends with it: caches and keys that `Deps` need
 * not name. Two services in one process, as in tests, share nothing.
 */
export function perPool<State>(create: () => State): (pool: Pool) => State {
  const states = new WeakMap<Pool, State>();
  return (pool) => {
    let state = states.get(pool);
    if (state === undefined) states.set(pool, state = create());
    return state;
  };
}
