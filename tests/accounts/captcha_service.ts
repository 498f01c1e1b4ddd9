import type { Config } from "../../src/config/schema.ts";
import { issueServerCertificate, makeAuthority } from "../../src/config/certificates.ts";
import { closeCaptchaClient } from "../../src/domain/accounts/captcha.ts";
import { type Site, withSite } from "../api/site.ts";

export const SECRET = "secret-of-the-site";

/** A service that checks captchas as reCAPTCHA does: `solved-…` is good, once. */
export interface CaptchaService {
  /** The forms that came. */
  readonly asked: Record<string, string>[];
  /** Given instead of the real answer. */
  answer: (() => Response | Promise<Response>) | undefined;
  /** From now on nobody answers. */
  stop(): Promise<void>;
}

/** A site whose forms ask for a captcha, with the service that checks it on this machine. */
export async function withCaptcha(
  config: Partial<Config>,
  test: (site: Site, service: CaptchaService) => Promise<void>,
): Promise<void> {
  const authority = await makeAuthority("captchas of the tests", Date.now());
  const { cert, key } = await issueServerCertificate(authority, ["localhost", "127.0.0.1"], Date.now());
  const spent = new Set<string>();
  const service: CaptchaService = {
    asked: [],
    answer: undefined,
    stop: () => stopped ??= server.shutdown(),
  };
  let stopped: Promise<void> | undefined;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, cert, key, onListen() {} }, async (request) => {
    const form = Object.fromEntries(new URLSearchParams(await request.text()));
    service.asked.push(form);
    if (service.answer !== undefined) return await service.answer();
    const { secret, response = "" } = form;
    if (request.method !== "POST") return new Response(null, { status: 405 });
    if (secret !== SECRET) return Response.json({ success: false, "error-codes": ["invalid-input-secret"] });
    const success = response.startsWith("solved-") && !spent.has(response);
    spent.add(response);
    return Response.json(success ? { success } : { success, "error-codes": ["invalid-input-response"] });
  });
  try {
    await withSite({
      FEATURE_RECAPTCHA: true,
      RECAPTCHA_SITE_KEY: "key-of-the-site",
      RECAPTCHA_SECRET_KEY: SECRET,
      RECAPTCHA_VERIFY_URL: `https://localhost:${server.addr.port}/siteverify`,
      ...config,
    }, async (site) => {
      try {
        await test(site, service);
      } finally {
        await closeCaptchaClient(site.deps);
      }
    }, { authorities: [authority.cert] });
  } finally {
    await service.stop();
  }
}
