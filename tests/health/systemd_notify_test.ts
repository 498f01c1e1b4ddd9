import { expect } from "@std/testing";
import { createSystemdNotifier } from "../../src/lib/systemd_notify.ts";

/** A socket as systemd's, with what it received. */
async function withReceiver(
  address: "path" | "abstract",
  use: (env: Map<string, string>, next: () => Promise<string>) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "quaylet-notify-" });
  const name = `quaylet-test-${crypto.randomUUID()}`;
  const path = address === "path" ? `${dir}/notify` : `\0${name}`;
  const receiver = Deno.listenDatagram({ transport: "unixpacket", path });
  const env = new Map([["NOTIFY_SOCKET", address === "path" ? path : `@${name}`]]);
  try {
    await use(env, async () => new TextDecoder().decode((await receiver.receive())[0]));
  } finally {
    receiver.close();
    await Deno.remove(dir, { recursive: true });
  }
}

const fails = (message: string) => {
  throw new Error(message);
};

for (const address of ["path", "abstract"] as const) {
  Deno.test(`createSystemdNotifier() ready, status and stopping arrive at a socket with ${address} address`, async () => {
    await withReceiver(address, async (env, next) => {
      const notifier = createSystemdNotifier({ env, healthy: () => Promise.resolve(true), warn: fails })!;
      await notifier.ready("serving on\nhttp://[::]:8080");
      expect(await next()).toBe("READY=1\nSTATUS=serving on http://[::]:8080");
      await notifier.status("finishing 3 uploads");
      expect(await next()).toBe("STATUS=finishing 3 uploads");
      await notifier.stopping();
      expect(await next()).toBe("STOPPING=1\nSTATUS=stopping");
      notifier.close();
      await notifier.status("after the end");
    });
  });
}

Deno.test("createSystemdNotifier() beats for the watchdog only while healthy", async () => {
  await withReceiver("path", async (env, next) => {
    env.set("WATCHDOG_USEC", "20000");
    env.set("WATCHDOG_PID", String(Deno.pid));
    const answers = [true, false, false, "throws", true] as (boolean | "throws")[];
    const warnings: string[] = [];
    let asked = 0;
    const notifier = createSystemdNotifier({
      env,
      healthy: () => {
        const answer = answers[asked++] ?? true;
        return answer === "throws" ? Promise.reject(new Error("x")) : Promise.resolve(answer);
      },
      warn: (message) => warnings.push(message),
    })!;
    await notifier.ready("up");
    await next();
    expect(await next()).toBe("WATCHDOG=1");
    expect(asked).toBe(1);
    expect(await next()).toBe("WATCHDOG=1");
    // Between the two beats the service was asked three times and had nothing good to say.
    expect(asked).toBeGreaterThanOrEqual(5);
    expect(warnings).toHaveLength(3);
    await notifier.stopping();
    notifier.close();
  });
});

Deno.test("createSystemdNotifier() leaves another process's watchdog alone", async () => {
  await withReceiver("path", async (env, next) => {
    env.set("WATCHDOG_USEC", "2000");
    env.set("WATCHDOG_PID", "1");
    const notifier = createSystemdNotifier({ env, healthy: () => fails("asked"), warn: fails })!;
    await notifier.ready("up");
    await next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    notifier.close();
  });
});

Deno.test("createSystemdNotifier() is absent without NOTIFY_SOCKET, and survives a socket that is gone", async () => {
  const healthy = () => Promise.resolve(true);
  expect(createSystemdNotifier({ env: new Map(), healthy, warn: fails })).toBeUndefined();
  const env = new Map([["NOTIFY_SOCKET", "/nonexistent/notify"]]);
  const warnings: string[] = [];
  const notifier = createSystemdNotifier({ env, healthy, warn: (message) => warnings.push(message) })!;
  await notifier.ready("up");
  expect(warnings).toEqual(["systemd could not be notified"]);
  notifier.close();
});
