import { AppError } from "../../lib/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../../oci/reference.ts";
import type { Deps } from "../deps.ts";
import type { RegistryAction } from "./registry_tokens.ts";

/** What a client asks for on one repository. */
export interface RequestedScope extends RepositoryName {
  readonly actions: ReadonlySet<RegistryAction>;
}

/** Clients ask for a repository or two; a mount of many sources for a few more. */
const SCOPES_MAX = 100;
const SCOPE = /^(repository|registry)(?:\([a-z0-9]+\))?:(.+):([a-z*,]*)$/;
/** Deleting needs what pushing needs. */
const ACTIONS: Readonly<Record<string, RegistryAction>> = {
  pull: "pull",
  push: "push",
  delete: "push",
  "*": "*",
};

/**
 * Reads the `scope` parameters of a token request: several parameters, and several scopes in one, apart by spaces.
 * `repository:[host/]name:action[,action…]`; what is asked twice for one name is put together. `registry:catalog:*`,
 * which docker's registry knows, is accepted and means nothing: the catalog shows what its caller may see.
 * @throws {AppError} `invalid_request`, `name_invalid`
 */
export function parseRegistryScopes(
  { config }: Pick<Deps, "config">,
  parameters: readonly string[],
): RequestedScope[] {
  const texts = parameters.flatMap((parameter) => parameter.split(" ")).filter((text) => text !== "");
  if (texts.length > SCOPES_MAX) {
    throw new AppError("invalid_request", "too many scopes are asked for at once");
  }
  const wanted = new Map<string, { name: RepositoryName; actions: Set<RegistryAction> }>();
  for (const text of texts) {
    const match = SCOPE.exec(text);
    if (match === null) throw unreadable(text);
    const [, type, path = "", actions = ""] = match;
    if (type === "registry") continue;
    const name = readName(config, path);
    const key = `${name.namespace}/${name.name}`;
    const known = wanted.get(key) ?? { name, actions: new Set<RegistryAction>() };
    wanted.set(key, known);
    for (const action of actions.split(",")) {
      if (action === "") continue;
      const meant = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
      if (meant === undefined) throw unreadable(text);
      known.actions.add(meant);
    }
  }
  return [...wanted.values()].map(({ name, actions }) => ({ ...name, actions }));
}

function readName(config: Deps["config"], path: string): RepositoryName {
  const host = `${config.SERVER_HOSTNAME}/`;
  return parseRepositoryName(path.startsWith(host) ? path.slice(host.length) : path, {
    nested: config.FEATURE_EXTENDED_REPOSITORY_NAMES,
    ...(config.FEATURE_LIBRARY_SUPPORT && { libraryNamespace: config.LIBRARY_NAMESPACE }),
  });
}

const unreadable = (text: string) =>
  new AppError("invalid_request", "Unable to decode repository and actions", { scope: text.slice(0, 300) });
