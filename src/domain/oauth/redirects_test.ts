import { expect } from "@std/testing";
import { isRedirectAllowed, withFragment, withQuery } from "./redirects.ts";

const config = {
  LOCAL_OAUTH_HANDLER: "/oauth/localapp",
  PREFERRED_URL_SCHEME: "https",
  SERVER_HOSTNAME: "registry.test",
} as const;

Deno.test("isRedirectAllowed(): begins with the application's address, at the same host", () => {
  const table: readonly [registered: string, wanted: string, allowed: boolean][] = [
    ["https://app.example/cb", "https://app.example/cb", true],
    ["https://app.example/cb", "https://app.example/cb/more?x=1", true],
    ["https://app.example", "https://app.example/anything", true],
    ["https://app.example", "https://app.example", true],
    ["https://app.example/cb", "https://app.example/other", false],
    ["https://app.example/cb", "http://app.example/cb", false],
    ["https://app.example", "https://app.example.evil.org/", false],
    ["https://app.example", "https://app.example@evil.org/", false],
    ["https://app.example", "https://app.example:secret@evil.org/", false],
    ["https://app.example", "https://app.example:8443/", false],
    ["https://app.example:8443/", "https://app.example:8443/x", true],
    ["https://app.example/", "https://app.example/#fragment", false],
    ["https://app.example/", "https://app.example/\\evil", false],
    ["https://app.example/", "https://app.example/ x", false],
    ["https://app.example/", "https://app.example/\r\nSet-Cookie: x", false],
    ["https://app.example/", " https://app.example/", false],
    ["", "https://app.example/", false],
    ["", "", false],
    ["/relative", "/relative", false],
    ["http", "https://evil.org/", false],
    ["https://", "https://evil.org/", false],
    ["javascript:", "javascript:alert(1)", false],
    ["JavaScript:alert(1)", "JavaScript:alert(1)", false],
    ["data:text/html,", "data:text/html,<script>", false],
    ["com.example.app:/cb", "com.example.app:/cb?x", true],
    ["", "https://registry.test/oauth/localapp", true],
    ["https://app.example", "https://registry.test/oauth/localapp", true],
    ["", "https://registry.test/oauth/localapp?x", false],
    ["", "https://registry.test/oauth/localapp/../authorize", false],
    ["", "http://registry.test/oauth/localapp", false],
  ];
  for (const [redirectUri, wanted, allowed] of table) {
    expect([redirectUri, wanted, isRedirectAllowed(config, { redirectUri }, wanted)])
      .toEqual([redirectUri, wanted, allowed]);
  }
});

Deno.test("withQuery(), withFragment(): add to what is there, encoded, without what is undefined", () => {
  expect(withQuery("https://a/b", { code: "x y", state: undefined })).toBe("https://a/b?code=x+y");
  expect(withQuery("https://a/b?c=d", { error: "e&f" })).toBe("https://a/b?c=d&error=e%26f");
  expect(withQuery("https://a/b?", { e: "1" })).toBe("https://a/b?e=1");
  expect(withQuery("https://a/b", { e: undefined })).toBe("https://a/b");
  expect(withFragment("https://a/b", { t: "1", s: "#" })).toBe("https://a/b#t=1&s=%23");
});
