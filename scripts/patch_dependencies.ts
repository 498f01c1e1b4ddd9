/**
 * Mends defects of pinned dependencies in node_modules, where waiting for a release is no answer. Run after each
 * `deno install`; does nothing where it has been done. A dependency that looks neither mended nor as expected stops it:
 * whoever changes a version decides whether the patch is still needed.
 *
 * postgres 3.4.9: a connection that closes in the middle keeps what belonged to it. A write that was pending goes to a
 * socket that is gone (an uncaught TypeError ends the thread), and its timer, still set, keeps the next connection from
 * sending. A server's last words ("terminating connection") fail the first statement of the next connection, although
 * that one was carried out; rows that had come shift its own. tests/faults/kill_test.ts kills PostgreSQL during pushes.
 */
interface Patch {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

const PATCHES: readonly Patch[] = [{
  file: "postgres@3.4.9/node_modules/postgres/src/connection.js",
  before: "    const x = socket.write(chunk, fn)\n",
  after: "    const x = socket ? socket.write(chunk, fn) : false\n",
}, {
  file: "postgres@3.4.9/node_modules/postgres/src/connection.js",
  before: "    incomings = null\n    clearImmediate(nextWriteTimer)\n",
  after:
    "    incomings = null\n    clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = errorResponse = null\n    rows = 0\n",
}, {
  file: "postgres@3.4.9/node_modules/postgres/src/connection.js",
  before: "    closedTime = performance.now()\n    hadError && options.shared.retries++\n",
  after: "    query = null\n    closedTime = performance.now()\n    hadError && options.shared.retries++\n",
}];

const root = new URL("../node_modules/.deno/", import.meta.url).pathname;
for (const { file, before, after } of PATCHES) {
  const path = root + file;
  const text = await Deno.readTextFile(path);
  if (text.includes(after)) continue;
  if (text.split(before).length !== 2) {
    console.error(`${path} is not what scripts/patch_dependencies.ts expects`);
    Deno.exit(1);
  }
  // A file of its own: Deno links node_modules to its cache, which other projects share.
  await Deno.remove(path);
  await Deno.writeTextFile(path, text.replace(before, () => after));
}
