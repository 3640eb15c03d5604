/**
 * Joins single requests into batches: those of one turn of the event loop go together, and those that come while a batch is under way go with the
 * next. Under load many rows share one write, at rest nobody waits. `run` answers one result per item, in order; when it throws, all of its batch fail.
 * @example const double = createGathering(async (items) => items.map((item) => item * 2), 100); await double(2) → 4
 */
export function createGathering<Item, Result>(run: (items: readonly Item[]) => Promise<readonly Result[]>, most: number): (item: Item) => Promise<Result> {
  interface Waiting {
    item: Item;
    resolve(result: Result): void;
    reject(error: unknown): void;
  }
  const waiting: Waiting[] = [];
  let underWay = false;

  async function runAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, most);
      try {
        const results = await run(batch.map((each) => each.item));
        batch.forEach((each, index) => each.resolve(results[index] as Result));
      } catch (error) {
        for (const each of batch) each.reject(error);
      }
    }
    underWay = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (underWay) return;
      underWay = true;
      setImmediate(() => void runAll());
    });
}
