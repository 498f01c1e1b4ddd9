/**
 * The HTTP client, for those who load it when they first need it. A module of its own: of a CommonJS package that is
 * imported late, the bundler gives no names.
 */
export { Agent, request } from "undici";
