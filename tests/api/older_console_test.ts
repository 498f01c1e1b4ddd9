/**
 * Quay's older console makes a function of each operation that the server describes, and another of each pair of an
 * organization's and a person's own. This does the same with what Quaylet describes, and walks with it.
 */
import { expect } from "@std/testing";
import type { ApiClient } from "./api_client.ts";
import { Content } from "./content.ts";
import { withSite } from "./site.ts";

type Values = Record<string, string | number | boolean>;
type Operation = (status: number, values?: Values, body?: unknown) => Promise<Record<string, unknown>>;

interface DescribedPath {
  "x-name": string;
  "x-path": string;
  "x-user-related"?: string;
  [method: string]: unknown;
}

const METHODS = ["get", "post", "put", "delete"];

async function operationsOf(client: ApiClient): Promise<Record<string, Operation>> {
  const { paths } = await client.expect(200, "GET", "/discovery?internal=true");
  const described = Object.values<DescribedPath>(paths);
  const byName = new Map(described.map((path) => [path["x-name"], path]));
  const operations: Record<string, Operation> = {};
  const add = (name: string, operation: Operation) => {
    if (operations[name] !== undefined) throw new Error(`two operations ${name}`);
    operations[name] = operation;
  };
  const idOf = (path: DescribedPath, method: string) => (path[method] as { operationId: string }).operationId;
  for (const path of described) {
    for (const method of METHODS.filter((method) => path[method] !== undefined)) {
      add(idOf(path, method), (status, values = {}, body) => {
        const used = new Set<string>();
        const address = path["x-path"].replace("/api/v1", "").replace(/\{(\w+)\}/g, (_, name) => {
          if (values[name] === undefined) throw new Error(`Missing parameter: ${name}`);
          used.add(name);
          return encodeURI(String(values[name]));
        });
        const rest = Object.entries(values).filter(([name]) => !used.has(name)).map((
          [k, v],
        ) => [k, String(v)]);
        const query = rest.length === 0 ? "" : `?${new URLSearchParams(rest)}`;
        return client.expect(status, method.toUpperCase(), address + query, body);
      });
    }
  }
  for (const path of described) {
    const related = path["x-user-related"];
    if (related === undefined) continue;
    for (const method of METHODS.filter((method) => path[method] !== undefined)) {
      const own = byName.get(related);
      if (own?.[method] === undefined) throw new Error(`no own ${method} for ${path["x-path"]}`);
      const [ofOrganization, ofUser] = [idOf(path, method), idOf(own, method)];
      add(
        ofUser.replace("User", ""),
        (status, values = {}, body) =>
          operations[values.orgname === undefined ? ofUser : ofOrganization]!(status, values, body),
      );
    }
  }
  return operations;
}

Deno.test("Quay's older console: sign-in, organization, repository, tags and settings, by the operations of /discovery", async () => {
  await withSite({}, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    await content.image({ word: "one", tag: "v1" });
    const api = await operationsOf(await site.browserOf("alice"));
    const repository = "acme/app";
    const user = await api.getLoggedInUser!(200);
    for (
      const field of ["anonymous", "username", "email", "verified", "organizations", "logins", "prompts"]
    ) {
      expect([field, field in user]).toEqual([field, true]);
    }
    expect(user.organizations).toMatchObject([{ name: "acme", is_org_admin: true, can_create_repo: true }]);
    await api.listUserNotifications!(200, { page: 0, limit: 5 });
    await api.getGlobalMessages!(200);
    await api.listRepos!(200, { namespace: "acme", last_modified: true, popularity: true });
    const repo = await api.getRepo!(200, { repository, includeStats: true, includeTags: false });
    expect(repo).toMatchObject({ can_write: true, can_admin: true, state: "NORMAL", is_starred: false });
    expect(Array.isArray(repo.stats)).toBe(true);
    const { tags } = await api.listRepoTags!(200, { repository, limit: 100, page: 1, onlyActiveTags: true });
    expect(tags).toMatchObject([{ name: "v1", is_manifest_list: false }]);
    // It polls for these on every page of a repository.
    expect(await api.getRepoBuilds!(200, { repository, limit: 3 })).toEqual({ builds: [] });
    const organization = await api.getOrganization!(200, { orgname: "acme" });
    expect(organization.ordered_teams).toContain("owners");
    for (const values of [{ orgname: "acme" }, {}] as Values[]) {
      await api.createRobot!(201, { ...values, robot_shortname: "ci" });
      expect((await api.getRobots!(200, values)).robots).toMatchObject([{}]);
      await api.getRobotPermissions!(200, { ...values, robot_shortname: "ci" });
      await api.regenerateRobotToken!(200, { ...values, robot_shortname: "ci" });
      await api.deleteRobot!(204, { ...values, robot_shortname: "ci" });
      await api.listLogs!(200, values);
      await api.getAggregateLogs!(200, values);
    }
    await api.changeDetails!(200, { orgname: "acme" }, { invoice_email: true });
    await api.changeDetails!(200, {}, { invoice_email: true });
    expect(typeof api.exportLogs).toBe("function");
  });
});
