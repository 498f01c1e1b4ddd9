import { expect } from "@std/testing";
import { API_ROUTES } from "./api.ts";
import { repositoryPath, RouteTable } from "./route.ts";

const table = new RouteTable(API_ROUTES);

Deno.test("RouteTable.find(): repositories with slashes, suffixes last", () => {
  const rows: [method: string, path: string, found: string | undefined, repository?: string][] = [
    ["GET", "/repository/a/b", "getRepo", "a/b"],
    ["HEAD", "/repository/a/b", "getRepo", "a/b"],
    ["GET", "/repository/a/b/c/d", "getRepo", "a/b/c/d"],
    ["GET", "/repository/a/permissions", "getRepo", "a/permissions"],
    ["GET", "/repository/a/b/permissions/user/", "listRepoUserPermissions", "a/b"],
    ["GET", "/repository/a/b/permissions/user/x+y", "getUserPermissions", "a/b"],
    ["GET", "/repository/a/permissions/user/permissions/user/x", "getUserPermissions", "a/permissions/user"],
    ["POST", "/repository/a/b/changevisibility", "changeRepoVisibility", "a/b"],
    ["GET", "/repository", "listRepos"],
    ["POST", "/user/initialize", "createFirstUser"],
    ["GET", "/user/robots", "getUserRobots"],
    ["GET", "/repository/a", undefined],
    ["GET", "/nothing", undefined],
  ];
  for (const [method, path, operationId, repository] of rows) {
    const match = table.find(method, path);
    const found = match.kind === "route"
      ? [match.route.operationId, match.params.repository]
      : [undefined, undefined];
    expect([path, ...found]).toEqual([path, operationId, repository]);
  }
  expect(table.find("POST", "/repository/a/b/changestate")).toEqual({ kind: "method", allowed: ["PUT"] });
  expect(table.find("GET", "/user")).toEqual({ kind: "redirect" });
});

Deno.test("API_ROUTES: operation ids are unique, and so are method and path", () => {
  const ids = API_ROUTES.map((route) => route.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const places = API_ROUTES.map((route) => `${route.method} ${route.path.replace(/\{\w+\}/g, "{}")}`);
  expect(new Set(places).size).toBe(places.length);
});

Deno.test("repositoryPath(): splits at the first slash", () => {
  expect(repositoryPath("a/b/c")).toEqual({ namespace: "a", name: "b/c" });
});
