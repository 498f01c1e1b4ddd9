import text from "../../CHANGELOG.md" with { type: "text" };

/** CHANGELOG.md as it was when this Quaylet was built. */
export const CHANGELOG: string = text;
