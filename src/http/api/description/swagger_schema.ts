import type { JsonSchema } from "./schemas.ts";

/** What a Swagger 2.0 schema may say (OpenAPI Specification 2.0, "Schema Object"); the rest of JSON Schema is not for it. */
const KEPT = new Set([
  "$ref",
  "format",
  "title",
  "description",
  "default",
  "multipleOf",
  "maximum",
  "minimum",
  "maxLength",
  "minLength",
  "pattern",
  "maxItems",
  "minItems",
  "uniqueItems",
  "maxProperties",
  "minProperties",
  "required",
  "enum",
  "type",
]);

/**
 * A JSON Schema in the words of Swagger 2.0: what may be null is marked `x-nullable`, a choice of forms becomes the object
 * that has the properties of all, or anything.
 */
export function swaggerSchema(schema: JsonSchema): JsonSchema {
  const { anyOf, oneOf, const: only, type, properties, items, additionalProperties } = schema;
  const kept: JsonSchema = Object.fromEntries(Object.entries(schema).filter(([key]) => KEPT.has(key)));
  if (Array.isArray(type)) {
    const types = type.filter((name) => name !== "null");
    delete kept.type;
    if (types.length === 1) kept.type = types[0];
    if (types.length < type.length) kept["x-nullable"] = true;
  } else if (type === "null") {
    delete kept.type;
    kept["x-nullable"] = true;
  }
  if (only !== undefined) kept.enum = [only];
  if (isRecord(properties)) {
    kept.properties = Object.fromEntries(
      Object.entries(properties).map(([name, value]) => [name, swaggerSchema(value as JsonSchema)]),
    );
  }
  if (kept.type === "array") kept.items = isRecord(items) ? swaggerSchema(items) : {};
  if (isRecord(additionalProperties)) kept.additionalProperties = swaggerSchema(additionalProperties);
  else if (typeof additionalProperties === "boolean") kept.additionalProperties = additionalProperties;
  const forms = (anyOf ?? oneOf) as JsonSchema[] | undefined;
  return forms === undefined ? kept : { ...choice(forms), ...kept };
}

function choice(forms: readonly JsonSchema[]): JsonSchema {
  const real = forms.filter(({ type }) => type !== "null").map(swaggerSchema);
  const nullable = real.length < forms.length ? { "x-nullable": true } : {};
  const [first, ...others] = real;
  if (first !== undefined && others.length === 0) return { ...first, ...nullable };
  if (!real.every(({ type }) => type === "object")) return nullable;
  const all = real.map(({ properties }) => (properties ?? {}) as Record<string, JsonSchema>);
  const merged: Record<string, JsonSchema> = {};
  for (const properties of all) {
    for (const [name, value] of Object.entries(properties)) {
      const known = merged[name];
      // Of a property that differs from form to form only its name is sure.
      merged[name] = known === undefined || JSON.stringify(known) === JSON.stringify(value) ? value : {};
    }
  }
  return { type: "object", properties: merged, ...nullable };
}

function isRecord(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
