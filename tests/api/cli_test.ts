import { expect } from "@std/testing";
import { COMPLETIONS } from "../../src/cli/completion.ts";
import { authenticateBasic } from "../../src/domain/accounts/credentials.ts";
import { authenticateOauthToken } from "../../src/domain/oauth/tokens.ts";
import { Content } from "./content.ts";
import { withSite } from "./site.ts";
import { runOperator } from "../cli/operator.ts";

Deno.test("quaylet user: a life", async () => {
  await withSite({}, async ({ deps }) => {
    const created = await runOperator(
      deps,
      "user create dave --email dave@example.org --password-stdin --json",
      "first-password\n",
    );
    expect([created.code, created.err]).toEqual([0, ""]);
    expect(JSON.parse(created.out)).toMatchObject({
      username: "dave",
      email: "dave@example.org",
      enabled: true,
    });
    expect(created.out).not.toContain("first-password");
    await authenticateBasic(deps, "dave", "first-password");

    expect((await runOperator(deps, "user create dave")).code).toBe(4);
    expect((await runOperator(deps, "user create Dave")).code).toBe(1);
    expect((await runOperator(deps, "user show nobody-here")).code).toBe(3);
    expect((await runOperator(deps, "user show acme")).code).toBe(3);

    const changed = await runOperator(deps, "user password dave");
    const password = /^password: (\S+)$/m.exec(changed.out)?.[1] ?? "";
    expect(password.length).toBe(24);
    await authenticateBasic(deps, "dave", password);

    expect((await runOperator(deps, "user disable dave")).code).toBe(0);
    expect((await runOperator(deps, "user list")).out).toMatch(/^dave +dave@example\.org +disabled$/m);
    await expect(authenticateBasic(deps, "dave", password)).rejects.toThrow("disabled");
    expect((await runOperator(deps, "user enable dave")).code).toBe(0);
    expect((await runOperator(deps, "user delete dave")).code).toBe(0);
    expect((await runOperator(deps, "user show dave")).code).toBe(3);
    const sole = await runOperator(deps, "user delete alice");
    expect([sole.code, sole.err]).toEqual([
      1,
      "quaylet user delete: alice is the only administrator of the organization acme\n",
    ]);
  });
});

Deno.test("quaylet org, robot, repo: a life", async () => {
  await withSite({}, async ({ deps }) => {
    expect((await runOperator(deps, "org create site --owner bob")).code).toBe(0);
    expect((await runOperator(deps, "org create site")).code).toBe(4);
    expect((await runOperator(deps, "org create other --owner nobody-here")).code).toBe(3);
    const org = JSON.parse((await runOperator(deps, "org show site --json")).out);
    expect(org).toEqual({ name: "site", email: "", teams: [{ name: "owners", role: "admin", members: 1 }] });

    const robot = JSON.parse(
      (await runOperator(deps, "robot create site+ci --description builds --json")).out,
    );
    await authenticateBasic(deps, "site+ci", robot.token);
    const next = JSON.parse((await runOperator(deps, "robot regenerate site+ci --json")).out);
    await authenticateBasic(deps, "site+ci", next.token);
    expect((await runOperator(deps, "robot list site")).out).not.toContain(next.token);

    expect((await runOperator(deps, "repo create site/edge/app --description first")).code).toBe(0);
    expect((await runOperator(deps, "repo create site/edge/app")).code).toBe(4);
    expect((await runOperator(deps, "repo create nowhere/app")).code).toBe(3);
    expect((await runOperator(deps, "repo visibility site/edge/app public")).code).toBe(0);
    const granted = await runOperator(
      deps,
      "repo permission site/edge/app --user site+ci --role write --json",
    );
    expect(JSON.parse(granted.out)).toEqual([{ kind: "robot", name: "site+ci", role: "write" }]);
    expect((await runOperator(deps, "robot show site+ci")).out).toMatch(/^site\/edge\/app +write$/m);
    expect((await runOperator(deps, "repo permission site/edge/app --user site+ci --role none")).code).toBe(
      0,
    );
    expect((await runOperator(deps, "repo list site")).out).toMatch(/^site\/edge\/app +public +NORMAL$/m);
    expect((await runOperator(deps, "repo delete site/edge/app")).code).toBe(0);
    expect((await runOperator(deps, "repo show site/edge/app")).code).toBe(3);
    expect((await runOperator(deps, "robot delete site+ci")).code).toBe(0);
    expect((await runOperator(deps, "robot show site+ci")).code).toBe(3);
    expect((await runOperator(deps, "org delete site")).code).toBe(0);
    expect((await runOperator(deps, "org show site")).code).toBe(3);
  });
});

Deno.test("quaylet user, org, robot, repo: wrong use is told before the database is opened", async () => {
  const lines = [
    "user",
    "user conjure",
    "user create",
    "user create a b",
    "user create dave --nonsense",
    "user create dave --ask --password-stdin",
    "robot create ci",
    "robot create acme+a+b",
    "repo create app",
    "repo visibility acme/app secret",
    "repo permission acme/app --role write",
    "repo permission acme/app --user bob --role owner",
    "completion fish",
    "repo state acme/app FROZEN",
    "robot permission acme+ci app owner",
    "team create acme ops --role owner",
    "team role acme ops boss",
    "team add acme ops",
    "tag list app",
    "token create bob",
    "token create bob --scope repo:read --app title",
    "token create bob --scope repo:read --lifetime long",
    "token create bob --app title --lifetime 1d",
    "tag expire acme/app v1",
    "tag expire acme/app v1 --at noon",
    "tag expire acme/app v1 --in soon",
    "tag expire acme/app v1 --never --in 2w",
  ];
  for (const line of lines) {
    const { code, out, err } = await runOperator(undefined, line);
    expect([line, code, out]).toEqual([line, 2, ""]);
    expect(err).not.toBe("");
  }
});

Deno.test("quaylet completion bash: bash accepts it, and it knows what the commands know", async () => {
  const { out } = await runOperator(undefined, "completion bash");
  const script = `${out}\nCOMP_WORDS=(quaylet user cr) COMP_CWORD=2; _quaylet; echo "\${COMPREPLY[@]}"`;
  const bash = await new Deno.Command("bash", { args: ["-c", script] }).output();
  expect(new TextDecoder().decode(bash.stdout)).toBe("create\n");
  for (const command of ["user", "org", "team", "robot", "repo", "tag", "token", "org-mirror"]) {
    const { out: help } = await runOperator(undefined, `help ${command}`);
    const verbs = [...help.matchAll(new RegExp(`^  quaylet ${command} (\\S+)`, "gm"))].map((match) =>
      match[1]
    );
    expect(verbs).toEqual([...COMPLETIONS[command] ?? []]);
  }
});

Deno.test("quaylet team: a life", async () => {
  await withSite({}, async ({ deps }) => {
    expect((await runOperator(deps, "team create acme ops --role creator --description Operations")).code)
      .toBe(0);
    expect((await runOperator(deps, "team create acme ops")).code).toBe(4);
    expect((await runOperator(deps, "team create nowhere ops")).code).toBe(3);
    expect((await runOperator(deps, "team add acme ops bob --json")).out).toContain('"invited": false');
    expect((await runOperator(deps, "team add acme ops bob")).err).toBe(
      "quaylet team add: User is already in the team\n",
    );
    expect((await runOperator(deps, "team members acme ops")).out).toMatch(
      /^bob +user +bob@example\.org +member$/m,
    );
    expect((await runOperator(deps, "team list acme")).out).toMatch(/^ops +creator +1 +0 +Operations$/m);
    expect((await runOperator(deps, "team role acme ops admin")).code).toBe(0);
    expect((await runOperator(deps, "team role acme nobody admin")).code).toBe(3);
    expect(JSON.parse((await runOperator(deps, "team list acme --json")).out)).toContainEqual({
      name: "ops",
      role: "admin",
      description: "Operations",
      members: 1,
      repositories: 0,
      synced: false,
    });
    expect((await runOperator(deps, "team remove acme ops bob")).code).toBe(0);
    expect((await runOperator(deps, "team members acme ops --json")).out.trim()).toBe("[]");
    expect((await runOperator(deps, "team delete acme ops")).code).toBe(0);
    expect((await runOperator(deps, "team delete acme ops")).code).toBe(3);
    expect((await runOperator(deps, "team delete acme owners")).err).toContain("at least one administrator");
  });
});

Deno.test("quaylet tag: a life", async () => {
  await withSite({ PERMANENTLY_DELETE_TAGS: true }, async ({ deps }) => {
    const content = await Content.of(deps, "acme/app");
    const one = await content.image({ word: "one", tag: "v1" });
    const two = await content.image({ word: "two", tag: "v2" });
    const list = async (line: string) =>
      JSON.parse((await runOperator(deps, `${line} --json`)).out).map((
        { name, digest }: { name: string; digest: string },
      ) => `${name} ${digest}`).sort();
    expect(await list("tag list acme/app")).toEqual([`v1 ${one}`, `v2 ${two}`]);
    expect(await list("tag list acme/app --filter 2")).toEqual([`v2 ${two}`]);
    expect((await runOperator(deps, "tag move acme/app latest v2")).out).toBe(`latest is ${two}\n`);
    expect((await runOperator(deps, `tag move acme/app latest ${one}`)).code).toBe(0);
    expect((await runOperator(deps, "tag move acme/app latest v9")).code).toBe(3);
    expect(await list("tag history acme/app --tag latest")).toEqual(
      [`latest ${one}`, `latest ${two}`].sort(),
    );
    expect((await runOperator(deps, "tag expire acme/app latest --in 2w")).out).toMatch(
      /^latest ends 20\d\d-/,
    );
    expect((await runOperator(deps, "tag expire acme/app latest --never")).out).toBe(
      "latest never ends by itself\n",
    );
    expect((await runOperator(deps, "tag expire acme/app latest --at 2001-01-01")).code).toBe(1);
    expect((await runOperator(deps, "tag delete acme/app latest")).code).toBe(0);
    expect((await runOperator(deps, "tag delete acme/app latest")).code).toBe(3);
    expect((await runOperator(deps, `tag restore acme/app latest ${two}`)).code).toBe(0);
    expect(await list("tag list acme/app --filter latest")).toEqual([`latest ${two}`]);
    expect((await runOperator(deps, "tag history acme/app --tag latest")).out).toMatch(/restored$/m);
    expect((await runOperator(deps, "tag delete acme/app v1 --permanently")).code).toBe(0);
    expect((await runOperator(deps, `tag restore acme/app v1 ${two}`)).code).toBe(0);
    await deps.sql`update repository set state = 1`;
    const frozen = await runOperator(deps, "tag delete acme/app v2");
    expect([frozen.code, frozen.err]).toEqual([1, expect.stringContaining("READ_ONLY")]);
    expect((await runOperator(deps, "tag list acme/missing")).code).toBe(3);
  });
});

Deno.test("quaylet user, org, robot, repo: what else they can", async () => {
  await withSite({}, async ({ deps }) => {
    await Content.of(deps, "acme/app");
    await Content.of(deps, "acme/other");
    expect((await runOperator(deps, "robot create acme+ci")).code).toBe(0);
    const granted = await runOperator(deps, "robot permission acme+ci app,other write --json");
    expect(JSON.parse(granted.out)).toEqual([
      { repository: "app", role: "write" },
      { repository: "other", role: "write" },
    ]);
    expect((await runOperator(deps, "robot permission acme+ci app,missing read")).code).toBe(3);
    expect((await runOperator(deps, "robot permission acme+ci other none --json")).out).not.toContain(
      "other",
    );
    expect((await runOperator(deps, "user email bob bob@example.net")).code).toBe(0);
    expect((await runOperator(deps, "user email bob alice@example.org")).code).toBe(4);
    expect((await runOperator(deps, "user show bob")).out).toMatch(/^email +bob@example\.net$/m);
    expect((await runOperator(deps, "org rename acme zenith")).code).toBe(0);
    expect((await runOperator(deps, "org rename zenith bob")).code).toBe(4);
    expect((await runOperator(deps, "robot show zenith+ci")).out).toMatch(
      /^app +write$|zenith\/app +write$/m,
    );
    expect((await runOperator(deps, "repo state zenith/app READ_ONLY")).code).toBe(0);
    expect((await runOperator(deps, "repo state zenith/app MARKED_FOR_DELETION")).code).toBe(2);
    expect((await runOperator(deps, "repo description zenith/app Words")).code).toBe(0);
    const shown = (await runOperator(deps, "repo show zenith/app")).out;
    expect(shown).toMatch(/^state +READ_ONLY$/m);
    expect(shown).toMatch(/^description +Words$/m);
  });
});

Deno.test("quaylet token: made, used, listed, revoked", async () => {
  await withSite({}, async ({ deps }) => {
    const made = await runOperator(deps, "token create bob --scope repo:read,user:read --lifetime 1d --json");
    expect([made.code, made.err]).toEqual([0, ""]);
    const oauth = JSON.parse(made.out);
    expect(oauth).toMatchObject({ kind: "oauth", username: "bob", scope: "repo:read user:read" });
    const actor = await authenticateOauthToken(deps, oauth.token);
    expect(actor).toMatchObject({ username: "bob", scopes: new Set(["repo:read", "user:read"]) });
    const app = JSON.parse((await runOperator(deps, "token create bob --app laptop --json")).out);
    expect(await authenticateBasic(deps, "$app", app.token)).toMatchObject({ username: "bob" });
    expect((await runOperator(deps, "token create bob --scope repo:read,nonsense")).code).toBe(1);
    expect((await runOperator(deps, "token create acme --scope repo:read")).code).toBe(3);
    const list = await runOperator(deps, "token list bob --json");
    expect(JSON.parse(list.out)).toEqual([
      { uuid: oauth.id, kind: "oauth", name: "command line", scope: "repo:read user:read" },
      { uuid: app.id, kind: "app", name: "laptop", scope: "" },
    ]);
    expect(list.out).not.toContain(oauth.token);
    expect((await runOperator(deps, `token revoke alice ${oauth.id}`)).code).toBe(3);
    for (const id of [oauth.id, app.id]) {
      expect((await runOperator(deps, `token revoke bob ${id}`)).code).toBe(0);
    }
    await expect(authenticateOauthToken(deps, oauth.token)).rejects.toThrow("not valid");
    await expect(authenticateBasic(deps, "$app", app.token)).rejects.toThrow();
    expect((await runOperator(deps, `token revoke bob ${app.id}`)).code).toBe(3);
    expect((await runOperator(deps, "token list bob --json")).out.trim()).toBe("[]");
  });
});
