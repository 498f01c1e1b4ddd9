import { expect } from "@std/testing";
import { swaggerSchema } from "./swagger_schema.ts";

Deno.test("swaggerSchema() says with Swagger 2.0's words what JSON Schema says with its own", () => {
  const cases: [json: Record<string, unknown>, swagger: Record<string, unknown>][] = [
    [{ type: "string", minLength: 1 }, { type: "string", minLength: 1 }],
    [{ type: ["string", "null"] }, { type: "string", "x-nullable": true }],
    [{ anyOf: [{ type: "string" }, { type: "null" }], description: "words" }, {
      type: "string",
      "x-nullable": true,
      description: "words",
    }],
    [{ type: "boolean", const: true }, { type: "boolean", enum: [true] }],
    [{ type: "object", propertyNames: { type: "string" }, additionalProperties: {} }, {
      type: "object",
      additionalProperties: {},
    }],
    [{ type: "array", items: { type: "string", const: "x" } }, {
      type: "array",
      items: { type: "string", enum: ["x"] },
    }],
    [{ type: "array" }, { type: "array", items: {} }],
    [{ type: "integer", exclusiveMinimum: 0 }, { type: "integer" }],
    [{ anyOf: [{ type: "string" }, { type: "number" }] }, {}],
    [
      {
        anyOf: [
          {
            type: "object",
            properties: { kind: { const: "a" }, a: { type: "string" } },
            required: ["kind", "a"],
          },
          { type: "object", properties: { kind: { const: "b" } }, required: ["kind"] },
        ],
      },
      { type: "object", properties: { kind: {}, a: { type: "string" } } },
    ],
  ];
  for (const [json, swagger] of cases) expect([json, swaggerSchema(json)]).toEqual([json, swagger]);
});
