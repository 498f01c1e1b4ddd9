import { findRepository } from "../../../src/domain/repositories/repositories.ts";
import { insertAuthorizedEmail } from "../../../src/drivers/database/queries/authorized_email.ts";
import type { Resource } from "./rules.ts";
import { existing } from "./world.ts";

const asked = { email: "asked@example.org" };

export const authorizedEmails: Resource = {
  routes: {
    "GET /repository/{repository}/authorizedemail/{email}": {
      who: "R:admin",
      ok: 200,
      with: asked,
      absent: 404,
      features: ["FEATURE_MAILING"],
    },
    "POST /repository/{repository}/authorizedemail/{email}": {
      who: "R:admin",
      ok: 200,
      with: asked,
      absent: 400,
      features: ["FEATURE_MAILING"],
    },
  },
  async prepare({ deps }) {
    for (const { namespace, repository: name } of existing("repository")) {
      const repository = await findRepository(deps.sql, namespace, name ?? "");
      if (repository === undefined) throw new Error(`${namespace}/${name} is not there`);
      await insertAuthorizedEmail(deps.sql, repository.id, asked.email);
    }
  },
};
