/**
 * Bodies that people write for webhooks: JSON whose texts hold `${path}`. A text that is one expression becomes the value
 * itself, expressions inside a longer text become text, and what is not there becomes `(none)`. A path is names and
 * places: `repository`, `updated_tags[0]`, `vulnerability.id`, `updated_tags[*]`; JSONPath's leading `$.` is allowed.
 */
export interface JsonTemplate {
  /** @param data plain JSON */
  render(data: unknown): unknown;
}

/** `message` may be shown to whoever wrote the template. */
export class TemplateError extends Error {}

/** Longest template, and most expressions in it: what is made of them stays small. */
const MAX_CHARACTERS = 16_384;
const MAX_EXPRESSIONS = 100;
const MAX_DEPTH = 50;
const MISSING = "(none)";
const EXPRESSION = /\$\{([^}]*)\}/g;

type Step = { readonly name: string } | { readonly place: number } | "all";

/** @throws {TemplateError} */
export function parseJsonTemplate(text: string): JsonTemplate {
  if (text.length > MAX_CHARACTERS) {
    throw new TemplateError(`a template has at most ${MAX_CHARACTERS} characters`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new TemplateError("the template is not valid JSON", { cause });
  }
  if ([...text.matchAll(EXPRESSION)].length > MAX_EXPRESSIONS) {
    throw new TemplateError(`a template has at most ${MAX_EXPRESSIONS} expressions`);
  }
  // Finds every broken path now, not at the first delivery.
  fill(parsed, {}, 0);
  return { render: (data) => fill(parsed, data, 0) };
}

function fill(template: unknown, data: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new TemplateError("the template is nested too deeply");
  if (typeof template === "string") return fillText(template, data);
  if (Array.isArray(template)) return template.map((item) => fill(item, data, depth + 1));
  if (typeof template !== "object" || template === null) return template;
  return Object.fromEntries(
    Object.entries(template).map((
      [key, value],
    ) => [asText(fillText(key, data)), fill(value, data, depth + 1)]),
  );
}

function fillText(text: string, data: unknown): unknown {
  const whole = /^\$\{([^}]*)\}$/.exec(text)?.[1];
  if (whole !== undefined) return find(whole, data);
  return text.replaceAll(EXPRESSION, (_, path: string) => asText(find(path, data)));
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function find(path: string, data: unknown): unknown {
  let found: unknown[] = [data];
  for (const step of stepsOf(path)) found = found.flatMap((value) => take(value, step));
  return found.length > 1 ? found : found.length === 1 ? found[0] : MISSING;
}

function take(value: unknown, step: Step): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (step === "all") return Object.values(value);
  if ("place" in step) return Array.isArray(value) && step.place < value.length ? [value[step.place]] : [];
  return !Array.isArray(value) && Object.hasOwn(value, step.name)
    ? [(value as Record<string, unknown>)[step.name]]
    : [];
}

function stepsOf(path: string): Step[] {
  const rest = path.trim().replace(/^\$\.?(?=[\w[])/, "");
  const steps: Step[] = [];
  const step = /(\.?)([A-Za-z_][\w-]*)|\[(\d{1,6})\]|\[\*\]|\['([^'\]]+)'\]/y;
  while (step.lastIndex < rest.length) {
    const at = step.lastIndex;
    const found = step.exec(rest);
    // Names after the first have their dot, the first has none.
    if (found === null || (found[2] !== undefined && (found[1] === ".") !== (at > 0))) throw badPath(path);
    const name = found[2] ?? found[4];
    steps.push(
      name !== undefined ? { name } : found[3] !== undefined ? { place: Number(found[3]) } : "all",
    );
  }
  if (steps.length === 0) throw badPath(path);
  return steps;
}

function badPath(path: string): TemplateError {
  return new TemplateError(
    `\${${path}} is no path: write names and places, such as \${updated_tags[0]} or \${vulnerability.id}`,
  );
}
