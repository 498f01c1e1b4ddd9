/** What an operator does on a fresh machine, by the real program: init, check, serve, first accounts, stop. */
import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { quaylet, withFolder } from "./quaylet.ts";

Deno.test("operator: init, check, serve, accounts while it runs and while it does not", async () => {
  await withFolder(async (folder) => {
    const [config, data] = [`${folder}/config`, `${folder}/data`];
    const place = ["--config", config, "--data", data];
    const run = (...args: string[]) => quaylet([...args, ...place]);

    const made = await run("init", "--hostname", "localhost:8443", "--with-ca", "--san", "registry.internal");
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /podman login localhost:8443/);
    assert.equal((await run("init", "--hostname", "other.example.com")).code, 1, "nothing is overwritten");

    const checked = await run("check", "--json");
    assert.equal(checked.code, 0, checked.stdout);
    assert.equal(JSON.parse(checked.stdout).ok, true);

    const early = await run("user", "create", "early", "--json");
    assert.equal(early.code, 0, early.stderr);
    const password: string = JSON.parse(early.stdout).password;
    assert.ok(password.length >= 16);

    const appliance = await startAppliance({ dataDir: data, args: ["--config", config] });
    try {
      const second = await run("serve", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0");
      assert.equal(second.code, 1);
      assert.match(second.stderr, /in use by another Quaylet/);

      const ca = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(`${config}/ca.crt`)] });
      const basic = { Authorization: `Basic ${btoa(`early:${password}`)}` };
      const auth = `https://localhost:${new URL(appliance.httpsUrl as string).port}/v2/auth?service=x`;
      const answer = await fetch(auth, { headers: basic, client: ca });
      assert.equal(answer.status, 200, await answer.text());

      assert.equal((await run("org", "create", "acme", "--owner", "early")).code, 0);
      assert.equal((await run("org", "create", "acme")).code, 4, "exists already");
      const robot = await run("robot", "create", "acme+ci", "--json");
      assert.match(JSON.parse(robot.stdout).token, /^[A-Z0-9]{64}$/);
      assert.equal((await run("repo", "create", "acme/app", "--public")).code, 0);
      const role = await run(
        "repo",
        "permission",
        "acme/app",
        "--user",
        "acme+ci",
        "--role",
        "write",
        "--json",
      );
      assert.deepEqual(JSON.parse(role.stdout), [{ kind: "robot", name: "acme+ci", role: "write" }]);

      assert.equal((await run("user", "disable", "early")).code, 0);
      const disabled = await fetch(auth, { headers: basic, client: ca });
      assert.equal(disabled.status, 401);
      assert.match(await disabled.text(), /disabled/);
      ca.close();
    } finally {
      assert.equal(await appliance.stop(), 0);
      if (appliance.configDir !== undefined) await Deno.stat(config);
    }

    const users = await run("user", "list");
    assert.match(users.stdout, /^early +disabled$/m);
    assert.equal((await run("user", "show", "nobody")).code, 3, "not found");
  });
});

Deno.test("operator: wrong usage is status 2 and says what would be right", async () => {
  const wrong: [string[], RegExp][] = [
    [["frobnicate"], /no command "frobnicate"/],
    [["help", "frobnicate"], /no command "frobnicate"/],
    [["serve", "--port", "1"], /--port/],
    [["serve", "--http", "nonsense"], /host:port/],
    [["serve", "--log", "xml"], /json, text/],
    [["check", "--config", "/no/such/folder"], /no such folder/],
    [["user", "frobnicate"], /create, list/],
    [["user", "--json"], /say what to do: create, list/],
    [["user", "create"], /usage: quaylet user create NAME/],
    [["robot", "create", "no-plus"], /NAMESPACE\+NAME/],
    [["repo", "create", "no-slash"], /NAMESPACE\/NAME/],
    [["repo", "visibility", "a/b", "secret"], /public or private/],
    [["completion", "tcsh"], /bash/],
    [["init", "--hostname", "not a name"], /host name/],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await quaylet(args);
    assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, message, args.join(" "));
  }
});
