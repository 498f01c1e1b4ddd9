/** What people change of their own accounts. */
import { ANY_TEXT, byAlice, type Writings } from "./written.ts";
import { PASSWORD } from "../world.ts";
import { addRealUser } from "../../api/site.ts";

const own = byAlice({ account: "alice" });

export const personKinds: Writings = {
  account_change_password: own({ username: "alice" }, [200, "PUT", "/user/", {
    password: "another-password",
  }]),
  user_change_invoicing: own({ invoice_email: true }, [200, "PUT", "/user/", { invoice_email: true }]),
  user_change_tag_expiration: own(
    { tag_expiration: 86_400 },
    [200, "PUT", "/user/", { tag_expiration_s: 86_400 }],
  ),
  user_change_metadata: {
    ...own({ company: "Acme" }, [200, "PUT", "/user/", { company: "Acme" }]),
    config: { FEATURE_USER_METADATA: true },
  },
  user_change_name: {
    ...byAlice({ account: "alison", performer: "alison" })(
      { old_username: "alice", username: "alison" },
      [200, "PUT", "/user/", { username: "alison" }],
    ),
    config: { FEATURE_USER_RENAME: true },
  },
  user_delete: {
    act: async ({ site }) => await (await site.browserOf("carol")).expect(204, "DELETE", "/user/"),
    row: () => ({ metadata: { username: "carol" } }),
  },
  user_generate_client_key: {
    act: async ({ deps, site }) => {
      await addRealUser(deps, "dave");
      await (await site.browserOf("dave")).expect(200, "POST", "/user/clientkey", { password: PASSWORD });
    },
    row: () => ({ account: "dave", performer: "dave", metadata: { username: "dave" } }),
  },
  account_convert: {
    act: async ({ deps, site }) => {
      await addRealUser(deps, "dave");
      await (await site.browserOf("bob")).expect(200, "POST", "/user/convert", {
        adminUser: "dave",
        adminPassword: PASSWORD,
      });
    },
    row: () => ({ account: "bob", performer: "bob", metadata: { username: "bob", admin: "dave" } }),
  },
  create_app_specific_token: own(
    { app_specific_token_title: "laptop", app_specific_token: ANY_TEXT },
    [200, "POST", "/user/apptoken", { title: "laptop" }],
  ),
  revoke_app_specific_token: {
    act: async ({ alice }) => {
      const { token } = await alice.expect(200, "POST", "/user/apptoken", { title: "laptop" });
      await alice.expect(204, "DELETE", `/user/apptoken/${token.uuid}`);
    },
    row: () => ({
      account: "alice",
      performer: "alice",
      metadata: { app_specific_token_title: "laptop", app_specific_token: ANY_TEXT },
    }),
  },
};
