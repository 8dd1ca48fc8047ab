/** How many calls run at once. Each may be a call to a pod. */
const maxCalls = 8;

/** Runs a call for each item, a limited number at once, and returns the results in the order of the items. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  call: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const entries = items.entries();
  const run = async (): Promise<void> => {
    for (const [index, item] of entries) results[index] = await call(item);
  };
  await Promise.all(Array.from({ length: maxCalls }, run));
  return results;
}
