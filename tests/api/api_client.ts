import { Hono } from "hono";
import type { Deps } from "../../src/domain/deps.ts";
import { apiRoutes } from "../../src/http/api/api.ts";
import { oauthRoutes } from "../../src/http/oauth/oauth.ts";
import { webRoutes } from "../../src/http/web/web.ts";

/** The REST API without a listener, mounted where the appliance mounts it. */
export function mount(deps: Deps): Hono {
  const oauth = oauthRoutes(deps);
  return new Hono().route("/api/v1", apiRoutes(deps)).all("/oauth/*", (c) => oauth.fetch(c.req.raw))
    .route("/", webRoutes(deps));
}

export interface Call {
  body?: unknown;
  headers?: Record<string, string>;
}

/** A browser, as far as cookies and the CSRF token go; with `token` a script that uses OAuth. */
export class ApiClient {
  cookie: string | undefined;
  csrf: string | undefined;

  constructor(private readonly app: Hono, private readonly token?: string) {}

  /** A second browser tab that shares nothing but the cookie. */
  withCookie(cookie: string | undefined, csrf: string | undefined): ApiClient {
    const other = new ApiClient(this.app);
    other.cookie = cookie;
    other.csrf = csrf;
    return other;
  }

  async call(method: string, path: string, call: Call = {}): Promise<Response> {
    const headers = new Headers(call.headers);
    if (this.token !== undefined) headers.set("Authorization", `Bearer ${this.token}`);
    if (this.cookie !== undefined) headers.set("Cookie", `_csrf_token=${this.cookie}`);
    if (this.csrf !== undefined && !headers.has("X-CSRF-Token")) headers.set("X-CSRF-Token", this.csrf);
    const raw = typeof call.body === "string" || call.body instanceof Uint8Array ||
      call.body instanceof ReadableStream;
    const body = call.body === undefined ? null : raw ? call.body as BodyInit : JSON.stringify(call.body);
    const response = await this.app.fetch(
      new Request(`http://registry.test${path}`, { method, headers, body }),
    );
    for (const line of response.headers.getSetCookie()) {
      const value = /^_csrf_token=([^;]*)/.exec(line)?.[1];
      if (value !== undefined) this.cookie = decodeURIComponent(value);
    }
    this.csrf = response.headers.get("X-Next-CSRF-Token") ?? this.csrf;
    return response;
  }

  api(method: string, path: string, body?: unknown): Promise<Response> {
    return this.call(method, `/api/v1${path}`, body === undefined ? {} : { body });
  }

  /** @throws unless it answers `status` */
  // deno-lint-ignore no-explicit-any
  async expect(status: number, method: string, path: string, body?: unknown): Promise<any> {
    const response = await this.api(method, path, body);
    const text = await response.text();
    if (response.status !== status) {
      throw new Error(`${method} ${path}: ${response.status}, not ${status}: ${text}`);
    }
    return text === "" ? undefined : JSON.parse(text);
  }

  async fetchCsrf(): Promise<void> {
    const response = await this.call("GET", "/csrf_token");
    this.csrf = (await response.json()).csrf_token;
  }

  async signIn(username: string, password: string): Promise<Response> {
    await this.fetchCsrf();
    return await this.api("POST", "/signin", { username, password });
  }
}
