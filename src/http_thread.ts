import { Context, Hono } from "hono";
import { composeDeps, type Settings } from "./app.ts";
import { isSuperuser } from "./domain/access/access.ts";
import { createHealth } from "./domain/site/health.ts";
import { instanceKey, isInstanceKeyUsable } from "./domain/site/service_keys.ts";
import { schemaIsCurrent } from "./drivers/database/migrate.ts";
import { healthRoutes } from "./http/health.ts";
import { clientViewReader } from "./http/middleware/client_address.ts";
import { registryRoutes } from "./http/registry/registry.ts";
import { createServer, type Surfaces } from "./http/server.ts";
import type { ThreadService } from "./http/thread.ts";
import { allBeating, beat } from "./lib/heartbeats.ts";

/** What every HTTP worker thread is told. */
export interface ThreadSettings extends Settings {
  /** Which of the node's threads it is, from 0. */
  readonly heartbeats: SharedArrayBuffer;
}

/** Puts together what one HTTP worker thread serves. */
export async function composeThread(settings: ThreadSettings, index: number): Promise<ThreadService> {
  const { config, place } = settings;
  const { deps, close } = await composeDeps(settings, { poolSize: 3, name: `http-${index + 1}` });
  const stopBeating = beat(settings.heartbeats, index);
  const mounted = (path: string, routes: Hono): Hono => new Hono().route(path, routes);
  // Most of all code is theirs, and most threads of most nodes are never asked for it.
  const api = onFirstUse(async () => {
    const { apiRoutes } = await import("./http/api/api.ts");
    return mounted("/api/v1", apiRoutes(deps));
  });
  const oauth = onFirstUse(async () => {
    const { oauthRoutes } = await import("./http/oauth/oauth.ts");
    return oauthRoutes(deps);
  });
  const keys = onFirstUse(async () => {
    const { keyRoutes } = await import("./http/keys.ts");
    return mounted("/keys", keyRoutes(deps));
  });
  const web = onFirstUse(async () => {
    const { webRoutes } = await import("./http/web/web.ts");
    return webRoutes(deps);
  });
  const health = healthRoutes({
    config,
    health: createHealth({
      ...deps,
      dataDir: place.dataDir,
      pingWorkers: () => Promise.resolve(allBeating(settings.heartbeats)),
      serviceKeyUsable: () => isInstanceKeyUsable(deps),
    }),
    isSuperuser: async (request) => {
      if (!request.headers.has("Authorization") && !request.headers.has("Cookie")) return false;
      const { identifyClient } = await import("./http/api/client.ts");
      return isSuperuser(config, (await identifyClient(deps, new Context(request))).actor);
    },
    serviceKeyId: () => instanceKey(deps).kid,
    schemaIsCurrent: () => schemaIsCurrent(deps.sql),
  });
  const surfaces: Surfaces = {
    registry: registryRoutes(deps),
    api: async (request, context) => await (await api()).fetch(request, context),
    keys: async (request, context) => await (await keys()).fetch(request, context),
    oauth: async (request, context) => await (await oauth()).fetch(request, context),
    health: (request, context) => health.fetch(request, context),
    web: async (request, context) =>
      new URL(request.url).pathname === config.LOCAL_OAUTH_HANDLER
        ? await (await oauth()).fetch(request, context)
        : await (await web()).fetch(request, context),
  };
  const readClient = clientViewReader(config);
  return {
    handlerFor: (scheme) => createServer(surfaces, { ...deps, readClient, scheme }),
    snapshot: () => deps.metrics.snapshot(),
    close: async () => {
      stopBeating();
      await close();
    },
  };
}

/** Makes it when it is first asked for, once; a failure is tried again. */
function onFirstUse<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () =>
    made ??= make().catch((error) => {
      made = undefined;
      throw error;
    });
}
