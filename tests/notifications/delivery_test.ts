import { expect } from "@std/testing";
import type { Config } from "../../src/config/schema.ts";
import type { Deps } from "../../src/domain/deps.ts";
import {
  describeEvent,
  type EventData,
  type RepositoryEvent,
} from "../../src/domain/notifications/events.ts";
import { REPOSITORY_EVENTS } from "../../src/domain/notifications/events.ts";
import { notifyRepository } from "../../src/domain/notifications/notifications.ts";
import { claimQueueItem } from "../../src/drivers/database/queries/queue.ts";
import { createSmtpDriver } from "../../src/drivers/mail/smtp.ts";
import { createWebhookClient } from "../../src/lib/webhook_client.ts";
import { deliverNotifications } from "../../src/workers/notification_delivery.ts";
import { silentLogger } from "../database.ts";
import { withSmtpServer } from "../mail/smtp_server.ts";
import { authorizeEmail, Content, stopClock } from "../api/content.ts";
import type { ApiClient } from "../api/api_client.ts";
import { type Site, withSite } from "../api/site.ts";
import { type Receiver, RECEIVER_HOST, withReceiver } from "./receiver.ts";

const START_MS = Date.UTC(2026, 10, 24, 2, 0, 0);
const NOTIFICATIONS = "/repository/acme/app/notification/";

interface Stage {
  site: Site;
  deps: Deps;
  alice: ApiClient;
  content: Content;
  receiver: Receiver;
  clock: { ms: number };
  /** What one node's worker does at one of its intervals. */
  deliver(): Promise<number>;
  /** Uuid of the new notification. */
  create(wish: Record<string, unknown>): Promise<string>;
  failures(uuid: string): Promise<number>;
}

/** The repository `acme/app`, a receiver that it may send to, a clock that stands still. */
async function withStage(test: (stage: Stage) => Promise<void>, config: Partial<Config> = {}): Promise<void> {
  await withReceiver((receiver) =>
    withSite({ SSRF_ALLOWED_HOSTS: [RECEIVER_HOST], ...config }, async (site) => {
      const { deps } = site;
      const clock = stopClock(deps, START_MS);
      const webhooks = createWebhookClient({
        allowedHosts: deps.config.SSRF_ALLOWED_HOSTS,
        authorities: [],
        timeoutMs: 2000,
      });
      const content = await Content.of(deps, "acme/app");
      const alice = await site.browserOf("alice");
      try {
        await test({
          site,
          deps,
          alice,
          content,
          receiver,
          clock,
          deliver: () => deliverNotifications({ ...deps, webhooks }),
          create: async (wish) =>
            (await alice.expect(201, "POST", NOTIFICATIONS, {
              event: "repo_push",
              method: "webhook",
              config: { url: `${receiver.url}/hook?key=1` },
              eventConfig: {},
              ...wish,
            })).uuid,
          failures: async (uuid) => (await alice.expect(200, "GET", NOTIFICATIONS + uuid)).number_of_failures,
        });
      } finally {
        await webhooks.close();
      }
    })
  );
}

const REPOSITORY = {
  repository: "acme/app",
  namespace: "acme",
  name: "app",
  docker_url: "registry.test/acme/app",
  homepage: "http://registry.test/repository/acme/app",
};

/** For each event what makes it happen here, and its fields. Builds have none: Quaylet does not build. */
const EVENTS: Partial<
  Record<RepositoryEvent, { eventConfig?: EventData; data: EventData; words: RegExp; color: string }>
> = {
  repo_push: {
    data: { updated_tags: ["latest"] },
    words: /Repository acme\/app updated/,
    color: "#3999DF",
  },
  vulnerability_found: {
    eventConfig: { level: 1 },
    data: {
      tags: ["v1"],
      vulnerability: {
        id: "CVE-2026-1",
        priority: "High",
        link: "https://cve.test/1",
        description: "bad <b>",
      },
    },
    words: /High vulnerability detected in repository acme\/app/,
    color: "danger",
  },
  repo_mirror_sync_started: {
    data: { message: "12 tags" },
    words: /mirror of acme\/app started/,
    color: "#3999DF",
  },
  repo_mirror_sync_success: {
    data: { message: "12 tags" },
    words: /mirror of acme\/app successful/,
    color: "good",
  },
  repo_mirror_sync_failed: {
    data: { message: "upstream is down" },
    words: /mirror of acme\/app unsuccessful/,
    color: "danger",
  },
  repo_image_expiry: {
    eventConfig: { days: 5 },
    data: { tags: ["v1", "v2"], expiring_in: "5 days" },
    words: /acme\/app: tags expire in 5 days/,
    color: "warning",
  },
};

Deno.test("every event by webhook: the body is Quay's", () =>
  withStage(async ({ deps, content, receiver, deliver, create }) => {
    for (const event of REPOSITORY_EVENTS) {
      await create({ event, eventConfig: EVENTS[event]?.eventConfig ?? {} });
    }
    for (const [event, { data }] of Object.entries(EVENTS)) {
      const repositoryId = content.repository.id;
      const queued = await notifyRepository(deps, { repositoryId, event: event as RepositoryEvent, data });
      expect([event, queued]).toEqual([event, 1]);
      await deliver();
      const [got, ...more] = receiver.received.splice(0);
      expect([event, got?.body, more]).toEqual([event, { ...REPOSITORY, ...data }, []]);
      expect(got?.path).toBe("/hook?key=1");
      expect(got?.headers.get("content-type")).toBe("application/json");
    }
  }));

Deno.test("every event by Slack: an attachment with the words, coloured by what happened", () =>
  withStage(async ({ deps, content, receiver, deliver, create }) => {
    for (const [event, { eventConfig, data, words, color }] of Object.entries(EVENTS)) {
      await create({ event, method: "slack", eventConfig: eventConfig ?? {} });
      const repositoryId = content.repository.id;
      await notifyRepository(deps, { repositoryId, event: event as RepositoryEvent, data });
      await deliver();
      const [got] = receiver.received.splice(0);
      const [attachment] = (got?.body as { attachments: Record<string, unknown>[] }).attachments;
      expect([event, attachment?.color]).toEqual([event, color]);
      expect(attachment?.fallback).toMatch(words);
      expect(attachment?.text).toContain("<http://registry.test/repository/acme/app|acme/app>");
      for (const detail of describeEvent(event as RepositoryEvent, { ...REPOSITORY, ...data }).details) {
        expect(attachment?.text).toContain(detail.replaceAll("<", "&lt;").replaceAll(">", "&gt;"));
      }
    }
  }));

Deno.test("every event by e-mail: a real SMTP server gets subject, text and HTML", () =>
  withSmtpServer(
    { disabledCommands: ["STARTTLS", "AUTH"] },
    (port, mails) =>
      withStage(async ({ deps, content, deliver, create }) => {
        Object.assign(deps, {
          mail: createSmtpDriver({
            config: { ...deps.config, MAIL_SERVER: "localhost", MAIL_PORT: port, MAIL_USE_TLS: false },
            log: silentLogger,
          }),
        });
        const repositoryId = content.repository.id;
        await authorizeEmail(deps.sql, repositoryId, "ops@example.org");
        for (const [event, { eventConfig, data, words }] of Object.entries(EVENTS)) {
          await create({
            event,
            method: "email",
            config: { email: "ops@example.org" },
            eventConfig: eventConfig ?? {},
          });
          await notifyRepository(deps, { repositoryId, event: event as RepositoryEvent, data });
          await deliver();
          const [mail, ...more] = mails.splice(0);
          expect([event, mail?.to, more]).toEqual([event, ["ops@example.org"], []]);
          expect(mail?.raw.replaceAll("=\r\n", "").replaceAll("\r\n ", " ")).toMatch(
            new RegExp(`Subject: .*${words.source}`),
          );
          if (event === "vulnerability_found") expect(mail?.raw).toContain("<p>bad &lt;b&gt;</p>");
        }
      }),
  ));

Deno.test("every event in the application: people, members of a team, administrators of the organization", () =>
  withStage(async ({ site, deps, content, deliver, create }) => {
    const bob = await site.browserOf("bob");
    const carol = await site.browserOf("carol");
    const alice = await site.browserOf("alice");
    const rows: [target: unknown, sees: ApiClient, sees_not: ApiClient, organization: string | null][] = [
      [{ kind: "user", name: "bob" }, bob, alice, null],
      [{ kind: "team", name: "members" }, carol, alice, null],
      [{ kind: "org", name: "acme" }, alice, carol, "acme"],
    ];
    for (const [target, seer, other, organization] of rows) {
      for (const [event, { eventConfig, data }] of Object.entries(EVENTS)) {
        const uuid = await create({
          event,
          method: "quay_notification",
          config: { target },
          eventConfig: eventConfig ?? {},
        });
        const repositoryId = content.repository.id;
        await notifyRepository(deps, { repositoryId, event: event as RepositoryEvent, data });
        await deliver();
        expect(await seer.expect(200, "GET", "/user/notifications")).toEqual({
          notifications: [{
            id: expect.any(String),
            organization,
            kind: event,
            created: "Tue, 24 Nov 2026 02:00:00 -0000",
            metadata: { ...REPOSITORY, ...data },
            dismissed: false,
          }],
          additional: false,
        });
        expect((await other.expect(200, "GET", "/user/notifications")).notifications).toEqual([]);
        await alice.expect(204, "DELETE", NOTIFICATIONS + uuid);
        await deps.sql`delete from notification`;
      }
    }
  }));

Deno.test("a push with tags is told once, in the push's transaction; without tags it is not", () =>
  withStage(async ({ deps, content, receiver, deliver, create }) => {
    await create({});
    await create({ event: "repo_mirror_sync_failed" });
    await content.image({ word: "untagged" });
    await deliver();
    expect(receiver.received).toEqual([]);
    await content.image({ word: "one", tag: "v1" });
    await deliver();
    expect(receiver.received.map((got) => got.body)).toEqual([{ ...REPOSITORY, updated_tags: ["v1"] }]);
    expect((await deps.sql`select from queueitem`).length).toBe(0);
  }));

Deno.test("vulnerability_found: only from the notification's level up", () =>
  withStage(async ({ deps, content, create }) => {
    await create({ event: "vulnerability_found", eventConfig: { level: 2 } });
    const rows: [priority: string, queued: number][] = [
      ["Critical", 1],
      ["Medium", 1],
      ["Low", 0],
      ["Unknown", 0],
      ["nonsense", 0],
    ];
    for (const [priority, queued] of rows) {
      const told = await notifyRepository(deps, {
        repositoryId: content.repository.id,
        event: "vulnerability_found",
        data: { tags: [], vulnerability: { priority } },
      });
      expect([priority, told]).toEqual([priority, queued]);
    }
  }));

Deno.test("webhook with a template: what it makes of the body is sent", () =>
  withStage(async ({ content, receiver, deliver, create }) => {
    const template = JSON.stringify({
      text: "${name} has ${updated_tags[0]}",
      tags: "${updated_tags}",
      no: "${x.y}",
    });
    await create({ config: { url: receiver.url, template } });
    await content.image({ word: "one", tag: "v1" });
    await deliver();
    expect(receiver.received[0]?.body).toEqual({ text: "app has v1", tags: ["v1"], no: "(none)" });
  }));

Deno.test("POST …/test: a sample of the event that says it is a test, for each event", () =>
  withStage(async ({ alice, receiver, deliver, create }) => {
    for (const event of REPOSITORY_EVENTS) {
      const uuid = await create({ event, eventConfig: event === "repo_image_expiry" ? { days: 3 } : {} });
      expect(await alice.expect(200, "POST", `${NOTIFICATIONS}${uuid}/test`)).toEqual({});
      await deliver();
      const [got] = receiver.received.splice(0);
      expect(got?.body).toMatchObject({ ...REPOSITORY, test: true });
      expect(Object.keys(got?.body as object).length).toBeGreaterThan(6);
    }
  }));

Deno.test("a failing receiver: five tries with growing pauses, then one failure; three of them disable it", () =>
  withStage(async ({ deps, alice, content, receiver, clock, deliver, create, failures }) => {
    const uuid = await create({});
    receiver.answer = () => new Response("no", { status: 500 });
    const pausesS = [10, 60, 300, 900];
    for (let event = 1; event <= 3; event++) {
      await content.image({ word: `failing ${event}`, tag: "v1" });
      expect(await deliver()).toBe(1);
      for (const pauseS of pausesS) {
        expect(await failures(uuid)).toBe(event - 1);
        clock.ms += pauseS * 1000 - 1;
        expect(await deliver()).toBe(0);
        clock.ms += 1;
        expect(await deliver()).toBe(1);
      }
      expect([receiver.received.splice(0).length, await failures(uuid)]).toEqual([5, event]);
      expect((await deps.sql`select from queueitem`).length).toBe(0);
    }
    // Disabled: nothing is queued any more, though the receiver is well again.
    receiver.answer = () => new Response(null, { status: 204 });
    await content.image({ word: "disabled", tag: "v1" });
    expect((await deps.sql`select from queueitem`).length).toBe(0);
    await alice.expect(204, "POST", NOTIFICATIONS + uuid);
    expect(await failures(uuid)).toBe(0);
    await content.image({ word: "again", tag: "v1" });
    expect(await deliver()).toBe(1);
    expect(receiver.received.splice(0).length).toBe(1);
  }));

Deno.test("a delivery that works forgets earlier failures; a test reaches a disabled notification", () =>
  withStage(async ({ deps, alice, content, receiver, deliver, create, failures }) => {
    const uuid = await create({});
    await deps.sql`update repositorynotification set number_of_failures = 2`;
    await content.image({ word: "one", tag: "v1" });
    await deliver();
    expect(await failures(uuid)).toBe(0);
    const [row] = await deps.sql`select last_ran_ms from repositorynotification`;
    expect(row?.last_ran_ms).toBe(START_MS);
    await deps.sql`update repositorynotification set number_of_failures = 3`;
    await alice.expect(200, "POST", `${NOTIFICATIONS}${uuid}/test`);
    await deliver();
    expect(receiver.received.length).toBe(2);
    expect(await failures(uuid)).toBe(0);
  }));

Deno.test("receivers that hang, redirect or send without end are failures within the time limit", () =>
  withStage(async ({ deps, content, receiver, clock, deliver, create }) => {
    await create({});
    const hanging = Promise.withResolvers<Response>();
    const rows: [what: string, answer: () => Response | Promise<Response>, delivered: boolean][] = [
      ["hangs", () => hanging.promise, false],
      ["redirects inside", () => Response.redirect("http://127.0.0.1:1/", 302), false],
      ["redirects elsewhere", () => Response.redirect(`${receiver.url}/moved`, 307), false],
      ["refuses", () => new Response("who are you", { status: 403 }), false],
      ["accepts with words", () => new Response("x".repeat(50_000), { status: 202 }), true],
    ];
    for (const [what, answer, delivered] of rows) {
      receiver.answer = answer;
      await content.image({ word: what, tag: "v1" });
      await deliver();
      const left = (await deps.sql`delete from queueitem returning id`).length;
      expect([what, left, receiver.received.splice(0).length]).toEqual([what, delivered ? 0 : 1, 1]);
      clock.ms += 1000;
    }
    hanging.resolve(new Response());
  }));

Deno.test("a node that dies in a delivery: another does it after the lease, and no sooner", () =>
  withStage(async ({ deps, content, receiver, clock, deliver, create }) => {
    await create({});
    await content.image({ word: "one", tag: "v1" });
    await claimQueueItem(deps.sql, { queue: "notification", nowMs: clock.ms, processingMs: 60_000 });
    expect(await deliver()).toBe(0);
    clock.ms += 60_000;
    expect(await deliver()).toBe(1);
    expect(receiver.received.length).toBe(1);
  }));

Deno.test("two nodes at once deliver each event once", () =>
  withStage(async ({ content, receiver, deliver, create }) => {
    await create({});
    for (let n = 0; n < 12; n++) await content.image({ word: `${n}`, tag: `v${n}` });
    const taken = await Promise.all([deliver(), deliver()]);
    expect(taken[0]! + taken[1]!).toBe(12);
    const tags = receiver.received.map((got) => (got.body as { updated_tags: string[] }).updated_tags[0]);
    expect(tags.sort()).toEqual(Array.from({ length: 12 }, (_, n) => `v${n}`).sort());
  }));

Deno.test("what no other try would change is a failure at once; what is gone is dropped", () =>
  withStage(async ({ deps, alice, content, receiver, deliver, create, failures }) => {
    const told = async (uuid: string) => {
      await alice.expect(200, "POST", `${NOTIFICATIONS}${uuid}/test`);
      await deliver();
      expect((await deps.sql`select from queueitem`).length).toBe(0);
      return await failures(uuid);
    };
    const inApplication = await create({
      method: "quay_notification",
      config: { target: { kind: "user", name: "bob" } },
    });
    await deps
      .sql`update repositorynotification set config_json = '{"target":{"kind":"user","name":"gone"}}'`;
    expect(await told(inApplication)).toBe(1);
    const mail = await create({ method: "slack", config: { url: receiver.url } });
    await deps.sql`
      update repositorynotification set config_json = '{"email":"x@example.org"}',
        method_id = (select id from externalnotificationmethod where name = 'email') where uuid = ${mail}`;
    expect(await told(mail)).toBe(1);
    await deps.sql`
      update repositorynotification set method_id = (select id from externalnotificationmethod where name = 'hipchat')
      where uuid = ${mail}`;
    expect(await told(mail)).toBe(2);
    const removed = await create({});
    await content.image({ word: "one", tag: "v1" });
    await alice.expect(204, "DELETE", NOTIFICATIONS + removed);
    await deliver();
    expect(receiver.received).toEqual([]);
  }));
