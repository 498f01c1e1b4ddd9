import {
  type HttpOperationResponse,
  type IHttpClient,
  RestError,
  type WebResource,
} from "@azure/storage-blob";
import { connectionWords } from "../connection_errors.ts";
import { readText, type Transport, type WireRequest } from "../transport.ts";

/**
 * Azure's SDK over the connections that all object stores share: own authorities, time limits, no waiting for ever.
 * The SDK tries again what could not be sent.
 */
export function createAzureHttpClient(transport: Transport, answerMs: number): IHttpClient {
  return {
    async sendRequest(request: WebResource): Promise<HttpOperationResponse> {
      const headers = request.headers.toJson({ preserveCase: true });
      // What the transport counts by itself.
      for (const name of Object.keys(headers)) {
        if (/^(host|content-length)$/i.test(name)) delete headers[name];
      }
      const body = bytesOf(request.body);
      const url = new URL(request.url);
      try {
        const answer = await transport.send({
          method: request.method as WireRequest["method"],
          url,
          headers,
          body,
          signal: request.abortSignal as AbortSignal | undefined,
          answerMs,
        });
        const common = { request, status: answer.status, headers: headersOf(answer.headers) };
        if (request.streamResponseStatusCodes?.has(answer.status)) {
          return { ...common, readableStreamBody: answer.body };
        }
        return { ...common, bodyAsText: await readText(answer) };
      } catch (error) {
        if (request.abortSignal?.aborted) throw error;
        throw new RestError(connectionWords(url.host, error), { code: RestError.REQUEST_SEND_ERROR });
      }
    },
  };
}

function bytesOf(body: unknown): Uint8Array | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof Uint8Array) return body;
  throw new TypeError("a body that is no bytes");
}

/** All that the SDK asks of an answer's headers. */
function headersOf(
  found: Readonly<Record<string, string | string[] | undefined>>,
): HttpOperationResponse["headers"] {
  const plain = Object.fromEntries(
    Object.entries(found).flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)]]),
  );
  return { toJson: () => plain } as HttpOperationResponse["headers"];
}
