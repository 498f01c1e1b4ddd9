/**
 * Mends defects of pinned dependencies in node_modules, where waiting for a release is no answer. Run after each
 * `deno install`; does nothing where it has been done. A dependency that looks neither mended nor as expected stops it:
 * whoever changes a version decides whether the patch is still needed.
 *
 * postgres 3.4.9 opens a connection that was closed in the middle again as the same object, with what belonged to the
 * old one still in it: a commit that was sent too late is told that it succeeded, the server's last words ("terminating
 * connection") fail a statement that was carried out, old rows shift new ones, and a timer that seems to be set keeps it
 * from sending at all. Here a connection that is closed is replaced by a new one and takes nothing any more.
 * tests/faults/kill_test.ts kills PostgreSQL during pushes.
 */
interface Patch {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

const POSTGRES = "postgres@3.4.9/node_modules/postgres/src";

const PATCHES: readonly Patch[] = [{
  file: `${POSTGRES}/connection.js`,
  before: "    const x = socket.write(chunk, fn)\n",
  after: "    const x = socket ? socket.write(chunk, fn) : false\n",
}, {
  file: `${POSTGRES}/index.js`,
  before: `    move(c, closed)
    c.reserved = null
    c.onclose && (c.onclose(e), c.onclose = null)
    options.onclose && options.onclose(c.id)
    queries.length && connect(c, queries.shift())
`,
  after: `    c.queue.remove(c)
    const fresh = Connection(options, queues, { onopen, onend, onclose })
    connections[connections.indexOf(c)] = fresh
    c.reserved = null
    c.onclose && (c.onclose(e), c.onclose = null)
    c.terminate()
    options.onclose && options.onclose(c.id)
    queries.length && connect(fresh, queries.shift())
`,
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
