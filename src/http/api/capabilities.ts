import * as z from "zod";
import { MIRROR_ARCHITECTURES } from "../../domain/mirroring/settings.ts";
import { defineRoute, reply, type Route } from "./route.ts";

export const capabilitiesRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/registry/capabilities",
    operationId: "getRegistryCapabilities",
    summary: "What this registry can do that others may not.",
    responses: {
      200: z.object({
        sparse_manifests: z.object({
          supported: z.boolean(),
          required_architectures: z.array(z.string()),
          optional_architectures_allowed: z.boolean(),
        }),
        mirror_architectures: z.array(z.string()),
      }),
    },
    allowAnonymous: true,
    handle: () =>
      Promise.resolve(reply({
        // An index is only taken in with all of its children.
        sparse_manifests: {
          supported: false,
          required_architectures: [],
          optional_architectures_allowed: false,
        },
        mirror_architectures: [...MIRROR_ARCHITECTURES],
      })),
  }),
];
