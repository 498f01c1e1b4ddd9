/** Run by telemetry_test.ts with `OTEL_DENO=true`: one request whose handler asks the database and the storage. */
import { type DatabaseTarget, openPool } from "../../src/drivers/database/postgres.ts";
import { createMemoryDriver } from "../../src/drivers/storage/memory.ts";
import { clientViewReader } from "../../src/http/middleware/client_address.ts";
import { withRequestContext } from "../../src/http/middleware/request_context.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { createMetrics } from "../../src/lib/metrics.ts";
import { tracedPool, tracedStorage, withSpan } from "../../src/lib/telemetry.ts";

const [target, database] = JSON.parse(Deno.args[0]!) as [DatabaseTarget, string];
const pool = openPool({ target, database, max: 1, applicationName: "traced_program" });
const sql = tracedPool(pool);
const storage = tracedStorage(createMemoryDriver(), "default");

const serve = withRequestContext({
  metrics: createMetrics(),
  log: createLogger({ format: "json", level: "debug" }),
  readClient: clientViewReader({ TRUSTED_PROXY_CIDR: null, PROXY_COUNT: 1 }),
  scheme: "http",
}, async (_request, context) => {
  context.route = "tags.list";
  await withSpan("domain listTags", {}, async () => {
    const filter = sql`where 1 = ${1}`;
    await sql`select 'a-value' as tag ${filter}`;
    await sql.begin(async (transaction) => {
      await transaction`select 2`;
      await transaction.unsafe("select 3");
    });
    await sql`select broken`.catch(() => {});
    await storage.stat("sha256/ab/abcd");
  });
  return new Response("[]");
});
const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, serve);
const response = await fetch(`http://127.0.0.1:${server.addr.port}/v2/a/b/tags/list?last=1`);
await response.text();
await server.shutdown();
await pool.end();
