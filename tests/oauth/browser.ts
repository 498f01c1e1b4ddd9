/** A browser without scripts: keeps cookies, shows pages, fills in forms. Follows no redirect by itself. */
export class Browser {
  readonly #cookies = new Map<string, string>();

  constructor(
    private readonly base: string,
    private readonly send: (request: Request) => Response | Promise<Response>,
  ) {}

  /** A browser of the real network. */
  static at(base: string): Browser {
    return new Browser(base, (request) => fetch(request));
  }

  async open(path: string, init: RequestInit = {}): Promise<Visit> {
    const headers = new Headers(init.headers);
    if (!headers.has("Accept")) headers.set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    headers.set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0");
    const cookies = [...this.#cookies].map(([name, value]) => `${name}=${value}`);
    if (cookies.length > 0) headers.set("Cookie", cookies.join("; "));
    const url = new URL(path, this.base);
    const response = await this.send(new Request(url, { ...init, headers, redirect: "manual" }));
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (name !== undefined) this.#cookies.set(name, value ?? "");
    }
    return {
      status: response.status,
      location: response.headers.get("Location") ?? undefined,
      headers: response.headers,
      html: await response.text(),
    };
  }

  /** Fills in the page's form and presses a button. @param action of the button, where it has its own */
  submit(page: Visit, fill: Readonly<Record<string, string>> = {}, action?: string): Promise<Visit> {
    const form = formOf(page.html);
    return this.post(action ?? form.action, { ...form.fields, ...fill });
  }

  post(path: string, fields: Readonly<Record<string, string>>, headers?: HeadersInit): Promise<Visit> {
    return this.open(path, {
      method: "POST",
      body: new URLSearchParams(fields),
      ...(headers === undefined ? {} : { headers }),
    });
  }

  setCookie(name: string, value: string): void {
    this.#cookies.set(name, value);
  }
}

export interface Visit {
  readonly status: number;
  readonly location: string | undefined;
  readonly headers: Headers;
  readonly html: string;
}

/** Where the page's form goes, and its fields as they are filled in. */
export function formOf(html: string): { action: string; fields: Record<string, string> } {
  const form = /<form\b[^>]*>([\s\S]*?)<\/form>/.exec(html);
  if (form === null) throw new Error(`the page has no form: ${html}`);
  const fields: Record<string, string> = {};
  for (const [input] of form[1]!.matchAll(/<input\b[^>]*>/g)) {
    const name = attribute(input, "name");
    if (name !== undefined) fields[name] = attribute(input, "value") ?? "";
  }
  return { action: attribute(form[0], "action") ?? "", fields };
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
  const signs: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return found?.replace(/&(amp|lt|gt|quot|#39);/g, (_, entity) => signs[entity] ?? "");
}
