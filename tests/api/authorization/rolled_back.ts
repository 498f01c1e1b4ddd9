import type { Pool, Transaction } from "../../../src/drivers/database/postgres.ts";

/** Undoes what was done: not an error. */
class Undo extends Error {}

/**
 * A pool whose statements all run in one transaction, which {@link undone} rolls back: however much a request destroys, the
 * next one finds the world as it was. `begin` is a savepoint.
 */
export class UndoingPool {
  #transaction: Transaction | undefined;
  readonly pool: Pool;

  constructor(private readonly real: Pool) {
    this.pool = new Proxy(real, {
      apply: (_real, self, args) => Reflect.apply(this.#current() as never, self, args),
      get: (_real, property) => {
        const current = this.#current();
        if (property === "begin") {
          return (...args: unknown[]) => current.savepoint(args.at(-1) as never);
        }
        return Reflect.get(current, property);
      },
    });
  }

  #current(): Transaction {
    if (this.#transaction === undefined) throw new Error("a statement came after its request was over");
    return this.#transaction;
  }

  /** Runs `work`, whose statements leave no trace. */
  async undone<Result>(work: () => Promise<Result>): Promise<Result> {
    let result: { value: Result } | undefined;
    try {
      await this.real.begin(async (transaction) => {
        this.#transaction = transaction;
        result = { value: await work() };
        throw new Undo();
      });
    } catch (error) {
      if (!(error instanceof Undo)) throw error;
    } finally {
      this.#transaction = undefined;
    }
    return result!.value;
  }
}
