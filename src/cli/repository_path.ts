import { openForChanges, openRepository, type RepositoryRow } from "../domain/repositories/repositories.ts";
import { OPERATOR, type Request } from "./operator.ts";
import { usageError } from "./output.ts";

/** What a first operand that names a repository is called in help. */
export const REPOSITORY = "NAMESPACE/NAME";

/** The repository that the first operand names. @throws {RangeError} */
export function pathOf(
  { operands: [full = ""] }: Pick<Request, "operands">,
): { namespace: string; name: string } {
  const slash = full.indexOf("/");
  if (slash < 1 || slash === full.length - 1) {
    throw usageError(`"${full}" is no repository: write ${REPOSITORY}`);
  }
  return { namespace: full.slice(0, slash), name: full.slice(slash + 1) };
}

/** @throws {AppError} `not_found` */
export function openNamed(request: Request): Promise<RepositoryRow> {
  return openRepository(request.deps, OPERATOR, pathOf(request), "admin");
}

/** @throws {AppError} `not_found`, `repository_readonly` */
export function openNamedForChanges(request: Request): Promise<RepositoryRow> {
  return openForChanges(request.deps, OPERATOR, pathOf(request));
}
