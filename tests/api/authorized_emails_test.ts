import { expect } from "@std/testing";
import type { RecordedMail } from "../database.ts";
import { Content } from "./content.ts";
import { withSite } from "./site.ts";

const PATH = "/repository/acme/app/authorizedemail/";
const NOTIFICATION = {
  event: "repo_push",
  method: "email",
  config: { email: "ops@example.org" },
  eventConfig: {},
};

Deno.test("authorized e-mail: asked by mail, agreed to by its link, good for notifications from then on", async () => {
  await withSite({ FEATURE_MAILING: true }, async (site) => {
    await Content.of(site.deps, "acme/app");
    await Content.of(site.deps, "acme/other");
    const alice = await site.browserOf("alice");
    const { sent } = site.deps.mail as RecordedMail;
    const path = `${PATH}ops@example.org`;
    await alice.expect(404, "GET", path);
    const asked = { email: "ops@example.org", repository: "app", namespace: "acme", confirmed: false };
    expect(await alice.expect(200, "POST", path)).toEqual(asked);
    expect(await alice.expect(200, "GET", path)).toEqual(asked);
    await alice.expect(400, "POST", "/repository/acme/app/notification/", NOTIFICATION);
    expect(sent.length).toBe(1);
    expect(sent[0]?.to).toBe("ops@example.org");
    expect(sent[0]?.text).toContain("acme/app");
    const link = /https?:\/\/registry\.test(\/authrepoemail\?code=\S+)/.exec(sent[0]?.text ?? "")?.[1];
    if (link === undefined) throw new Error("no link in the mail");

    const stranger = site.stranger();
    expect((await stranger.call("HEAD", link)).status).toBe(200);
    expect((await alice.expect(200, "GET", path)).confirmed).toBe(false);
    expect((await stranger.call("GET", `${link}x`)).status).toBe(400);
    expect((await stranger.call("GET", "/authrepoemail")).status).toBe(400);
    for (let times = 0; times < 2; times++) {
      const page = await stranger.call("GET", link);
      expect(page.status).toBe(200);
      const text = await page.text();
      expect(text).toContain("acme/app");
      expect(text).toContain("ops@example.org");
    }
    expect(await alice.expect(200, "POST", path)).toEqual({ ...asked, confirmed: true });
    expect(sent.length).toBe(1);
    await alice.expect(201, "POST", "/repository/acme/app/notification/", NOTIFICATION);
    await alice.expect(400, "POST", "/repository/acme/other/notification/", NOTIFICATION);
  });
});

Deno.test("authorized e-mail: no address, no mailing", async () => {
  await withSite({ FEATURE_MAILING: true }, async (site) => {
    await Content.of(site.deps, "acme/app");
    const alice = await site.browserOf("alice");
    await alice.expect(400, "POST", `${PATH}nobody`);
    await alice.expect(400, "POST", `${PATH}${"x".repeat(250)}@example.org`);
    expect((site.deps.mail as RecordedMail).sent).toEqual([]);
  });
  await withSite({ FEATURE_MAILING: false }, async (site) => {
    await Content.of(site.deps, "acme/app");
    const alice = await site.browserOf("alice");
    await alice.expect(404, "POST", `${PATH}ops@example.org`);
    await alice.expect(404, "GET", `${PATH}ops@example.org`);
  });
});
