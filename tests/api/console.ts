/** Quay's browser console, as far as its calls go. */
import type { ApiClient } from "./api_client.ts";

const BROWSER = {
  "User-Agent":
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  Accept: "application/json, text/plain, */*",
  Origin: "http://registry.test",
  Referer: "http://registry.test/organization",
  "X-Requested-With": "XMLHttpRequest",
  "Sec-Fetch-Site": "same-origin",
  "Sec-Fetch-Mode": "cors",
};

export type Step = readonly [status: number, method: string, path: string, body?: unknown];

/** Plays calls as the console makes them, and remembers the answers that it does not expect. */
export class Console {
  readonly unexpected: string[] = [];

  constructor(private readonly client: ApiClient, private readonly names: Record<string, string>) {}

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.call(...step);
  }

  // deno-lint-ignore no-explicit-any
  async call(status: number, method: string, template: string, body?: unknown): Promise<any> {
    const path = template.replace(/\{(\w+)\}/g, (_, name) => this.names[name] ?? "");
    const isApi = !["/config", "/csrf_token"].includes(path);
    const response = await this.client.call(method, isApi ? `/api/v1${path}` : path, {
      headers: { ...BROWSER, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (response.status !== status) {
      this.unexpected.push(`${method} ${path}: ${response.status}, not ${status}: ${text.slice(0, 200)}`);
    }
    return text === "" ? undefined : JSON.parse(text);
  }
}

/** What it asks for besides where these features are on. */
export const MORE_FEATURES = {
  FEATURE_QUOTA_MANAGEMENT: true,
  FEATURE_EDIT_QUOTA: true,
  FEATURE_AUTO_PRUNE: true,
  FEATURE_IMMUTABLE_TAGS: true,
};
