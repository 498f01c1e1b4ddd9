import * as z from "zod";
import {
  approveKey,
  changeKey,
  createKey,
  getKey,
  listKeys,
  type ManagedKeyRow,
  removeKey,
} from "../../domain/site/managed_service_keys.ts";
import type { Deps } from "../../domain/deps.ts";
import { optionalText } from "./fields.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";
import { FOR_SUPERUSERS, managedUserSchema, managedUserView, requireSuperuserFeature } from "./superuser.ts";

const keySchema = z.object({
  name: z.string(),
  kid: z.string(),
  service: z.string(),
  jwk: z.record(z.string(), z.unknown()),
  metadata: z.record(z.string(), z.unknown()),
  created_date: z.string(),
  expiration_date: z.string().nullable().meta({ description: "null: never." }),
  rotation_duration: z.int().nullable().meta({ description: "Seconds." }),
  approval: z.object({
    approver: managedUserSchema.nullable(),
    approval_type: z.string(),
    approved_date: z.string(),
    notes: z.string(),
  }).nullable().meta({ description: "null: nobody has let it be used yet." }),
});

const expiration = z.number().nullable().meta({ description: "Epoch seconds; null: never." });
const metadata = z.record(z.string(), z.unknown());

export const superuserKeyRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/superuser/keys",
    operationId: "listServiceKeys",
    summary: "Keys that services sign with.",
    scope: "super:user",
    responses: { 200: z.object({ keys: z.array(keySchema) }) },
    async handle({ deps, actor }) {
      requireSuperuserFeature(deps);
      return reply({ keys: (await listKeys(deps, actor)).map((key) => keyView(deps, key)) });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "POST",
    path: "/superuser/keys",
    operationId: "createServiceKey",
    summary: "Makes a key for a service, approved at once; its private half is shown only here.",
    body: z.object({
      service: z.string(),
      expiration,
      name: optionalText,
      metadata: metadata.nullish(),
      notes: optionalText,
    }),
    responses: {
      200: z.object({
        kid: z.string(),
        name: z.string(),
        service: z.string(),
        public_key: z.string(),
        private_key: z.string(),
      }),
    },
    async handle({ deps, actor, body }) {
      requireSuperuserFeature(deps);
      const key = await createKey(deps, actor, {
        service: body.service,
        name: body.name ?? "",
        expiresAtMs: body.expiration === null ? null : body.expiration * 1000,
        metadata: body.metadata ?? {},
        notes: body.notes ?? "",
      });
      const { kid, name, service, publicPem, privatePem } = key;
      return reply({ kid, name, service, public_key: publicPem, private_key: privatePem });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/superuser/keys/{kid}",
    operationId: "getServiceKey",
    summary: "A key.",
    scope: "super:user",
    responses: { 200: keySchema },
    async handle({ deps, actor, params }) {
      requireSuperuserFeature(deps);
      return reply(keyView(deps, await getKey(deps, actor, params.kid)));
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "PUT",
    path: "/superuser/keys/{kid}",
    operationId: "updateServiceKey",
    summary: "Changes a key's name, its metadata, or when it ends.",
    body: z.object({ name: optionalText, metadata: metadata.nullish(), expiration: expiration.optional() }),
    responses: { 200: keySchema },
    async handle({ deps, actor, params, body }) {
      requireSuperuserFeature(deps);
      const changed = await changeKey(deps, actor, params.kid, {
        name: body.name,
        metadata: body.metadata ?? undefined,
        expiresAtMs: typeof body.expiration === "number" ? body.expiration * 1000 : body.expiration,
      });
      return reply(keyView(deps, changed));
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "DELETE",
    path: "/superuser/keys/{kid}",
    operationId: "deleteServiceKey",
    summary: "Deletes a key: what it has signed is no longer believed.",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      requireSuperuserFeature(deps);
      await removeKey(deps, actor, params.kid);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "POST",
    path: "/superuser/approvedkeys/{kid}",
    operationId: "approveServiceKey",
    summary: "Lets a key be used.",
    // Quay's own console sends no body here.
    body: z.object({ notes: optionalText }).optional(),
    responses: { 201: null },
    async handle({ deps, actor, params, body }) {
      requireSuperuserFeature(deps);
      await approveKey(deps, actor, params.kid, body?.notes ?? "");
      return { status: 201 };
    },
  }),
];

function keyView(deps: Pick<Deps, "config">, key: ManagedKeyRow): z.infer<typeof keySchema> {
  return {
    name: key.name,
    kid: key.kid,
    service: key.service,
    jwk: jsonObject(key.jwk),
    metadata: jsonObject(key.metadata),
    created_date: httpDate(key.createdMs),
    expiration_date: key.expiresAtMs === null ? null : httpDate(key.expiresAtMs),
    rotation_duration: key.rotationDurationS,
    approval: key.approval === null ? null : {
      approver: key.approval.approver === null ? null : managedUserView(deps, key.approval.approver),
      approval_type: key.approval.type,
      approved_date: httpDate(key.approval.approvedMs),
      notes: key.approval.notes,
    },
  };
}

/** `Tue, 24 Nov 2026 02:00:00 GMT`: Quay lets Flask write these. */
function httpDate(epochMs: number): string {
  return new Date(epochMs).toUTCString();
}

/** A column that holds a JSON object; an adopted database may hold something else. */
function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : {};
  } catch {
    return {};
  }
}
