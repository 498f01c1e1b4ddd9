import * as z from "zod";
import { AppError } from "../../lib/errors.ts";
import { ERROR_TYPES, type ErrorType } from "./errors.ts";
import { defineRoute, reply, type Route } from "./route.ts";

export const errorTypeRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/error/{error_type}",
    operationId: "getErrorDescription",
    summary: "Explains a type of error.",
    responses: { 200: z.object({ type: z.string(), title: z.string(), description: z.string() }) },
    allowAnonymous: true,
    handle({ params, baseUrl }) {
      const type = params.error_type;
      if (!Object.hasOwn(ERROR_TYPES, type)) throw new AppError("not_found", "Not Found");
      const { description } = ERROR_TYPES[type as ErrorType];
      return Promise.resolve(reply({ type: `${baseUrl}/api/v1/error/${type}`, title: type, description }));
    },
  }),
];
