import assert from "node:assert/strict";
import { checkDatabase } from "../../src/cli/check_database.ts";
import { EMBEDDED_USER } from "../../src/drivers/database/postgres.ts";
import { withDatabase } from "../database.ts";
import { withTcp } from "../database/tcp.ts";

Deno.test("quaylet check: a database that works", () =>
  withDatabase((_sql, name) =>
    withTcp(async (port) => {
      const config = {
        DB_URI: `postgresql://${EMBEDDED_USER}@127.0.0.1:${port}/${name}`,
        DB_CONNECTION_ARGS: {},
      };
      const findings = await checkDatabase("/nowhere", config, {});
      assert.deepEqual(findings.filter(({ level }) => level === "problem"), []);
      assert.match(
        findings.at(-1)?.message ?? "",
        new RegExp(`^PostgreSQL \\d+\\.\\d+ at 127\\.0\\.0\\.1:${port} answers`),
      );
    })
  ));

Deno.test("quaylet check: a database that is not there, and a user who may not create tables", () =>
  withDatabase((sql, name) =>
    withTcp(async (port) => {
      const at = (user: string, database: string) =>
        checkDatabase("/nowhere", {
          DB_URI: `postgresql://${user}:verysecret@127.0.0.1:${port}/${database}`,
          DB_CONNECTION_ARGS: {},
        }, {});
      const [missing] = await at(EMBEDDED_USER, "nowhere");
      assert.equal(missing?.level, "problem");
      assert.match(missing?.message ?? "", /database "nowhere" does not exist/);
      const guest = `guest_${name}`;
      await sql.unsafe(`create role ${guest} login; revoke create on schema public from public`);
      try {
        const findings = await at(guest, name);
        assert.ok(
          findings.some(({ level, message }) => level === "problem" && /may not create tables/.test(message)),
        );
        assert.ok(!JSON.stringify(findings).includes("verysecret"));
      } finally {
        await sql.unsafe(`drop role ${guest}`);
      }
    })
  ));
