import assert from "node:assert/strict";
import { deliverNotifications } from "../../src/workers/notification_delivery.ts";
import { createWebhookClient } from "../../src/lib/webhook_client.ts";
import { requireRoom } from "../../src/domain/quota/enforcement.ts";
import type { RecordedMail } from "../database.ts";
import { Content, stopClock } from "../api/content.ts";
import { type Site, withSite } from "../api/site.ts";
import { RECEIVER_HOST, withReceiver } from "./receiver.ts";

const ON = {
  FEATURE_QUOTA_MANAGEMENT: true,
  FEATURE_QUOTA_NOTIFICATIONS: true,
  SSRF_ALLOWED_HOSTS: [RECEIVER_HOST],
};
const ORGANIZATION = "/organization/acme/notifications";
const OWN = "/user/namespacenotifications";
const TARGET = { target: { kind: "org", name: "acme" } };

Deno.test("notifications of namespaces: made, listed, reset, tested, taken away; of organizations and one's own", async () => {
  await withSite(ON, async (site) => {
    const [alice, bob] = [await site.browserOf("alice"), await site.browserOf("bob")];
    for (
      const [at, config] of [[ORGANIZATION, TARGET], [OWN, {
        target: { kind: "user", name: "alice" },
      }]] as const
    ) {
      assert.deepEqual(await alice.expect(200, "GET", at), { notifications: [] });
      const wish = {
        event: "quota_warning",
        method: "quay_notification",
        config,
        eventConfig: {},
        title: "Full",
      };
      const made = await alice.expect(201, "POST", at, wish);
      assert.deepEqual(made, {
        uuid: made.uuid,
        title: "Full",
        event: "quota_warning",
        method: "quay_notification",
        config,
        event_config: {},
        number_of_failures: 0,
      });
      assert.deepEqual(await alice.expect(200, "GET", at), { notifications: [made] });
      const one = `${at}/${made.uuid}`;
      assert.deepEqual(await alice.expect(200, "GET", one), made);
      // Another namespace has none of that name.
      await bob.expect(404, "GET", `${OWN}/${made.uuid}`);
      await bob.expect(404, "DELETE", `${OWN}/${made.uuid}`);
      await site.deps.sql`update namespacenotification set number_of_failures = 3`;
      await alice.expect(204, "POST", one);
      assert.equal((await alice.expect(200, "GET", one)).number_of_failures, 0);
      assert.deepEqual(await alice.expect(200, "POST", `${one}/test`), {});
      await alice.expect(204, "DELETE", one);
      for (const [method, path] of [["GET", one], ["POST", one], ["DELETE", one], ["POST", `${one}/test`]]) {
        await alice.expect(404, method!, path!);
      }
    }
    const kinds = await site.deps.sql<{ name: string; metadata: string }[]>`
      select k.name, l.metadata_json as metadata from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name like '%namespace_notification' order by l.id`;
    const written = [
      "create_namespace_notification",
      "reset_namespace_notification",
      "delete_namespace_notification",
    ];
    assert.deepEqual(kinds.map(({ name, metadata }) => [name, JSON.parse(metadata).namespace]), [
      ...written.map((name) => [name, "acme"]),
      ...written.map((name) => [name, "alice"]),
    ]);
  });
});

Deno.test("notifications of namespaces: what is refused, in words", async () => {
  await withSite(ON, async (site) => {
    const alice = await site.browserOf("alice");
    await site.deps.sql`update "user" set verified = username <> 'carol', email = username || '@example.org'`;
    const wish = {
      event: "quota_error",
      method: "email",
      config: { email: "alice@example.org" },
      eventConfig: {},
    };
    await alice.expect(201, "POST", ORGANIZATION, wish);
    // The link may be down: such a name is looked at again when it is dialled.
    const unknown = { url: "https://hooks.invalid/x" };
    await alice.expect(201, "POST", ORGANIZATION, { ...wish, method: "webhook", config: unknown });
    const wrong: [unknown, RegExp][] = [
      [{ ...wish, event: "repo_push" }, /event/],
      [{ ...wish, method: "pigeon" }, /method/],
      [{ ...wish, config: { email: "bob@example.org" } }, /administrator of this namespace/],
      [{ ...wish, config: { email: "acme@example.org" } }, /administrator of this namespace/],
      [{ ...wish, config: {} }, /Missing e-mail/],
      [{ ...wish, method: "webhook", config: { url: "http://127.0.0.1/" } }, /must not lead to/],
      [{ ...wish, method: "hipchat", config: {} }, /shut down/],
      [{ ...wish, method: "quay_notification", config: { target: { kind: "org", name: "other" } } }, /other/],
    ];
    for (const [body, words] of wrong) {
      const { error_message, detail } = await alice.expect(400, "POST", ORGANIZATION, body);
      assert.match(error_message ?? detail, words);
    }
  });
  await withSite({}, async (site) => {
    await (await site.browserOf("alice")).expect(404, "GET", ORGANIZATION);
  });
});

/** What waits in the queue, by its fields. */
async function queued({ deps: { sql } }: Site): Promise<Record<string, unknown>[]> {
  const rows = await sql<
    { body: string }[]
  >`select body from queueitem where queue_name like 'notification/%' order by id`;
  return rows.map(({ body }) => JSON.parse(body).event_data);
}

Deno.test("quota: each limit that is exceeded is told once in QUOTA_NOTIFICATION_COOLDOWN_SECONDS, by every method", async () => {
  await withReceiver((receiver) =>
    withSite(ON, async (site) => {
      const { deps } = site;
      const { sql } = deps;
      const clock = stopClock(deps, Date.now());
      const alice = await site.browserOf("alice");
      await sql`update "user" set verified = true, email = username || '@example.org'`;
      const { repository } = await Content.of(deps, "acme/app");
      for (const event of ["quota_warning", "quota_error"]) {
        for (
          const [method, config] of [
            ["webhook", { url: `${receiver.url}/hook` }],
            ["slack", { url: `${receiver.url}/slack` }],
            ["email", { email: "alice@example.org" }],
            ["quay_notification", TARGET],
          ] as const
        ) await alice.expect(201, "POST", ORGANIZATION, { event, method, config, eventConfig: {} });
      }
      await sql`
        insert into userorganizationquota (namespace_id, limit_bytes)
        select id, 1000 from "user" where username = 'acme'`;
      for (const [type, percent] of [["Warning", 80], ["Reject", 100]] as const) {
        await sql`
          insert into quotalimits (quota_id, quota_type_id, percent_of_limit)
          select q.id, t.id, ${percent} from userorganizationquota q, quotatype t where t.name = ${type}`;
      }
      const hold = (bytes: number) =>
        sql`
        insert into quotanamespacesize (namespace_user_id, size_bytes) select id, ${bytes} from "user" where username = 'acme'
        on conflict (namespace_user_id) do update set size_bytes = excluded.size_bytes`;
      const push = () => requireRoom(deps, repository.id, "start").catch((error) => error.code);

      await hold(800);
      await push();
      assert.deepEqual(await queued(site), []);
      await hold(900);
      for (let n = 0; n < 3; n++) assert.equal(await push(), undefined);
      const warning = {
        namespace: "acme",
        name: "acme",
        homepage: "http://registry.test/organization/acme",
        usage_bytes: 900,
        quota_limit_bytes: 1000,
        threshold_percent: 80,
        severity: "Warning",
      };
      assert.deepEqual(await queued(site), Array(4).fill(warning));
      await hold(1001);
      assert.deepEqual([await push(), await push()], ["quota_exceeded", "quota_exceeded"]);
      assert.equal((await queued(site)).length, 8);
      clock.ms += deps.config.QUOTA_NOTIFICATION_COOLDOWN_SECONDS * 1000;
      await push();
      assert.equal((await queued(site)).length, 12);

      await sql`delete from queueitem where id > (select min(id) + 3 from queueitem)`;
      const webhooks = createWebhookClient({
        allowedHosts: ON.SSRF_ALLOWED_HOSTS,
        authorities: [],
        timeoutMs: 5000,
      });
      try {
        await deliverNotifications({ ...deps, webhooks });
      } finally {
        await webhooks.close();
      }
      const words = /Namespace acme is nearly full/;
      const bodies = new Map(receiver.received.map(({ path, body }) => [path, body]));
      assert.deepEqual(bodies.get("/hook"), warning);
      assert.match(JSON.stringify(bodies.get("/slack")), /Namespace <http:.*acme> is nearly full/);
      const mail = (deps.mail as RecordedMail).sent.at(-1)!;
      assert.deepEqual([mail.to, words.test(mail.subject)], ["alice@example.org", true]);
      const { notifications } = await alice.expect(200, "GET", "/user/notifications?limit=20");
      assert.ok(
        notifications.some((one: { metadata: Record<string, unknown> }) => one.metadata.usage_bytes === 900),
      );
      const rows = await sql`select from namespacenotification where last_ran_ms is not null`;
      assert.equal(rows.length, 4);
    })
  );
});
