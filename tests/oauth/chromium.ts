/** A real browser without a window, led over the DevTools protocol. */
export class Chromium {
  #id = 0;
  readonly #answers = new Map<number, (message: Message) => void>();
  /** What pages wrote to the console and what the browser refused them. */
  readonly complaints: string[] = [];

  private constructor(
    private readonly process: Deno.ChildProcess,
    private readonly socket: WebSocket,
    private readonly profile: string,
    private session = "",
  ) {
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
  }

  static async start(): Promise<Chromium> {
    const profile = await Deno.makeTempDir({ prefix: "quaylet-chromium-" });
    const process = new Deno.Command("chromium", {
      args: [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--remote-debugging-port=0",
        `--user-data-dir=${profile}`,
        "about:blank",
      ],
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let said = "";
    const reader = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
    let address: string | undefined;
    while (address === undefined) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`chromium did not start: ${said}`);
      said += value;
      address = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
    }
    // What it says later is of no interest, but must be read.
    (async () => {
      while (!(await reader.read()).done);
    })().catch(() => {});
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("chromium cannot be talked to"));
    });
    const browser = new Chromium(process, socket, profile);
    const { targetId } = await browser.#call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.#call("Target.attachToTarget", { targetId, flatten: true });
    browser.session = String(sessionId);
    for (const domain of ["Page", "Runtime", "Log"]) await browser.#call(`${domain}.enable`);
    return browser;
  }

  async open(url: string): Promise<void> {
    await this.#call("Page.navigate", { url });
  }

  /** Value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.#call("Runtime.evaluate", { expression, returnByValue: true });
    return (result as { value?: unknown }).value;
  }

  /** Waits until an expression is true in the page that is there then. */
  async until(expression: string): Promise<void> {
    for (const endMs = Date.now() + 30_000; Date.now() < endMs;) {
      // Between two pages there is nothing to ask.
      if (
        await this.evaluate(`document.readyState === "complete" && Boolean(${expression})`).catch(() => false)
      ) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(
      `${expression} did not become true at ${await this.evaluate("location.href")}: ` +
        `${await this.evaluate("document.body.innerText")}\n${this.complaints.join("\n")}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    this.process.kill("SIGKILL");
    await this.process.status;
    await Deno.remove(this.profile, { recursive: true }).catch(() => {});
  }

  #call(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const answered = new Promise<Record<string, unknown>>((resolve, reject) => {
      this.#answers.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
    this.socket.send(
      JSON.stringify({ id, method, params, ...(this.session !== "" && { sessionId: this.session }) }),
    );
    return answered;
  }

  #take(message: Message): void {
    if (message.id !== undefined) this.#answers.get(message.id)?.(message);
    if (message.method === "Log.entryAdded") this.complaints.push(JSON.stringify(message.params));
    if (message.method === "Runtime.exceptionThrown") this.complaints.push(JSON.stringify(message.params));
  }
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}
