import type { Actor } from "../../src/domain/access/access.ts";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { selectAccount } from "../../src/drivers/database/queries/user.ts";
import { registryRoutes } from "../../src/http/registry/registry.ts";
import { addRealUser, OPERATOR, PASSWORD, type Site, withSite } from "../api/site.ts";
import type { ApiClient } from "../api/api_client.ts";
import { Content } from "../api/content.ts";
import { bearerFor } from "../blobs/bearer.ts";

/** A site with the registry protocol, some content, and people who act. */
export interface World {
  readonly site: Site;
  readonly deps: Deps;
  /** Administrator of `acme`. */
  readonly alice: ApiClient;
  /** Superuser. */
  readonly root: ApiClient;
  /** Of `acme/app`. */
  readonly content: Content;
  /** Digests of two images of `acme/app`; the first is tagged `v1`. */
  readonly digests: readonly [string, string];
  /** A request below `/v2` by somebody with a token for `acme/app`, from 192.0.2.7 with the user agent `client/1`. */
  registry(actor: Actor, method: string, path: string, init?: RequestInit): Promise<Response>;
  /** `GET /v2/auth` with these credentials; `dave` can really sign in with {@link PASSWORD}. */
  login(username: string, password: string): Promise<Response>;
  actorOf(username: string): Promise<Actor>;
}

export async function withWorld(
  config: Parameters<typeof withSite>[0],
  test: (world: World) => Promise<void>,
): Promise<void> {
  await withSite(config, async (site) => {
    const { deps } = site;
    const content = await Content.of(deps, "acme/app");
    const digests = [
      await content.image({ word: "one", tag: "v1" }),
      await content.image({ word: "two" }),
    ] as const;
    const handle = registryRoutes(deps);
    const send = async (
      authorization: string | undefined,
      method: string,
      path: string,
      init: RequestInit,
    ) => {
      const headers = new Headers(init.headers);
      headers.set("user-agent", "client/1");
      if (authorization !== undefined) headers.set("authorization", authorization);
      const raw = new Request(`http://registry.test${path}`, { ...init, method, headers });
      const response = await handle(raw, {
        requestId: "test",
        clientAddress: "192.0.2.7",
        scheme: "http",
        host: "registry.test",
        route: "",
      });
      await response.body?.cancel();
      return response;
    };
    await test({
      site,
      deps,
      content,
      digests,
      alice: await site.browserOf("alice"),
      root: await site.browserOf("root"),
      registry: async (actor, method, path, init = {}) =>
        await send(await bearerFor(deps, { "acme/app": ["pull", "push"] }, actor), method, path, init),
      login: async (username, password) => {
        // Made when it is needed: passwords take their time.
        if (await selectAccount(deps.sql, "dave") === undefined) await addRealUser(deps, "dave");
        await bearerFor(deps, {});
        return await send(
          `Basic ${btoa(`${username}:${password}`)}`,
          "GET",
          "/v2/auth?service=registry.test",
          {},
        );
      },
      actorOf: async (username) => {
        const { id, uuid } = await findUser(deps, username);
        return { kind: "user", id, uuid, username, scopes: "all", via: "password" };
      },
    });
  });
}

export { OPERATOR, PASSWORD };
