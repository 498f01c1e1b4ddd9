/** Runs `work` for all items, `most` at once. The first failure is thrown once those that run have ended; no other begins. */
export async function forEachLimited<T>(
  items: Iterable<T>,
  most: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed: { readonly error: unknown } | undefined;
  const lane = async () => {
    while (failed === undefined) {
      const { value, done } = iterator.next();
      if (done) return;
      try {
        await work(value);
      } catch (error) {
        failed ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: most }, lane));
  if (failed !== undefined) throw failed.error;
}
