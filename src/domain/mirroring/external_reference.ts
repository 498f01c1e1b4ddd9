import { AppError } from "../../lib/errors.ts";

export interface ExternalReference {
  /** `host[:port]`, IPv6 in brackets. */
  readonly registry: string;
  readonly repository: string;
}

const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/**
 * Reads Quay's `external_reference`: `host[:port]/path` without scheme, tag and digest.
 * @throws {AppError} `invalid_request`
 */
export function parseExternalReference(text: string): ExternalReference {
  const slash = text.indexOf("/");
  const registry = text.slice(0, slash);
  const repository = text.slice(slash + 1);
  const isHost = slash > 0 && registry.length <= 255 && HOST.test(registry) &&
    URL.canParse(`https://${registry}`);
  if (!isHost || repository.length > 255 || !repository.split("/").every((part) => COMPONENT.test(part))) {
    throw new AppError(
      "invalid_request",
      "external_reference is host[:port]/path of a repository, without scheme, tag and digest",
    );
  }
  return { registry, repository };
}
