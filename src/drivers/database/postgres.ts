import type postgres from "postgres";

/** Column types beyond postgres.js's own: `bigint` columns are JavaScript numbers (all of ours stay below 2^53). */
export type CustomTypes = { bigint: number };
/** The pool. `queries/*` take `Sql`, so that a pool and a transaction both fit. */
export type Pool = postgres.Sql<CustomTypes>;
export type Transaction = postgres.TransactionSql<CustomTypes>;
export type Sql = Pool | Transaction;
